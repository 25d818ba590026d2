// Xdpeel peels the VXLAN and GENEVE wrapping off AWS VPC Traffic Mirroring
// packets and hands on what is inside.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
)

// environment is all that a verb knows of the outside, so that the whole command
// line is a function under test.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	hangups        func() <-chan os.Signal // asks for the signals that mean: read the configuration again
	runtime        string                  // directory of a daemon's sockets; "": runtimeDirectory
	dial           func(ctx context.Context, network, address string) (net.Conn, error)
	alone          bool // in its process, which so may be confined
}

// verb is one word of the command line. run gets what follows it.
type verb struct {
	name    string
	summary string
	run     func(ctx context.Context, env *environment, args []string) error
}

// verbs in the order in which the usage lists them.
func verbs() []verb {
	return []verb{
		{"decap", "strip a capture file; needs no privileges", runDecap},
		{"capture", "capture inner packets from an interface, as with tcpdump", runCapture},
		{"run", "the daemon: sessions, filters and outputs from a configuration", runRun},
		{"status", "ask a running daemon what it does", runStatus},
		{"reload", "have a running daemon read its configuration, and wait for that", runReload},
		{"doctor", "tell whether this host will do, before anything is attached", runDoctor},
		{"config", "check a configuration, or make one of AWS's", runConfig},
		{"explain", "say which session and rule decide about a packet", runExplain},
		{"detach", "take xdpeel's program off an interface", runDetach},
		{"demo", "see it work on one machine, with no AWS", runDemo},
		{"version", "say which build this is", runVersion},
	}
}

func main() {
	// A reader that goes away is an error of the write to it, which ends a capture
	// in good order; the signal would end it at once.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	env := &environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		hangups: hangups, dial: new(net.Dialer).DialContext, alone: true,
	}
	os.Exit(execute(ctx, env, os.Args[1:]))
}

// hangups returns where SIGHUP comes from now on; to all but the daemon it is the end.
func hangups() <-chan os.Signal {
	signals := make(chan os.Signal, 1) // one that waits stands for all that come meanwhile
	signal.Notify(signals, syscall.SIGHUP)
	return signals
}

// execute runs one command line and returns the exit status: 0 done, 1 failed,
// 2 wrong usage.
func execute(ctx context.Context, env *environment, args []string) int {
	err := dispatch(ctx, env, args)
	sayError(env.stderr, err)
	return exitStatus(err)
}

func dispatch(ctx context.Context, env *environment, args []string) error {
	if len(args) == 0 {
		return hinted(usageErrorf("no verb given"), "`xdpeel help` lists the verbs")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "--help":
		return printUsage(env.stdout)
	case "--version":
		name = "version"
	case helperVerb:
		return runHelper(env)
	}
	for _, verb := range verbs() {
		if verb.name == name {
			return verb.run(ctx, env, rest)
		}
	}
	return hinted(usageErrorf("unknown verb %q", name), "`xdpeel help` lists the verbs")
}

func printUsage(w io.Writer) error {
	fmt.Fprint(w, "usage: xdpeel VERB [FLAGS]\n\nverbs:\n")
	for _, verb := range verbs() {
		fmt.Fprintf(w, "  %-9s %s\n", verb.name, verb.summary)
	}
	_, err := fmt.Fprint(w, "\n`xdpeel VERB --help` tells a verb's flags.\n")
	return err
}
