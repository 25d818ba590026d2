package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/host"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

const doctorUsage = `usage: xdpeel doctor -i IFACE [FLAGS]

Tells whether this host will do, before anything is attached: the kernel and what
it lacks, the driver, its channels and MTU, who else has the port, memory, disk,
clock. Of each it says what was found, why that matters, and the command that mends
it. The program is loaded, and not attached. Exit status 1 if something would stop
xdpeel.

  xdpeel doctor -i ens5
  xdpeel doctor -i ens5 --config /etc/xdpeel/xdpeel.yaml
  xdpeel doctor -i ens5 --fix
`

// doctorOptions is what the command line of doctor says.
type doctorOptions struct {
	iface  string
	path   string // of a configuration; "": none
	mode   string
	asJSON bool
	fix    bool
}

func runDoctor(_ context.Context, env *environment, args []string) error {
	var o doctorOptions
	flags := pflag.NewFlagSet("doctor", pflag.ContinueOnError)
	flags.StringVarP(&o.iface, "interface", "i", "", "`interface` where mirrored packets arrive")
	flags.StringVar(&o.path, "config", "", "configuration `file`: its mode, ports, policy and outputs are looked at as well")
	flags.StringVar(&o.mode, "mode", "", "auto, native or generic; the configuration's, or auto")
	flags.BoolVar(&o.asJSON, "json", false, "print all findings as JSON")
	flags.BoolVar(&o.fix, "fix", false, "apply the remedies that can be taken back, and say how")
	if err := parseFlagsOnly(env.stdout, flags, doctorUsage, args); err != nil {
		return err
	}
	wish, err := o.wish()
	if err != nil {
		return err
	}
	form := doctorForm{Report: host.Examine(wish)}
	if o.fix {
		if form.Mended = form.Mend(); form.Mended != nil {
			form.Report = host.Examine(wish)
		}
	}
	if err := form.print(env.stdout, o.asJSON); err != nil {
		return err
	}
	if form.Level == host.Failure {
		return fmt.Errorf("xdpeel would not run on %s as asked", o.iface)
	}
	return nil
}

// wish is what xdpeel would do, by the configuration if one is given.
func (o doctorOptions) wish() (w host.Wish, err error) {
	if o.iface == "" {
		return w, hinted(usageErrorf("no interface given: -i IFACE"), "`ip -br link` lists them")
	}
	c, err := config.Parse("", nil, nil) // all by default
	if o.path != "" {
		c, err = config.Load(o.path, nil)
	}
	if err != nil {
		return w, err
	}
	memory, err := needOf(c)
	if err != nil {
		return w, err
	}
	w = host.Wish{
		Interface: o.iface, Mode: loader.Mode(c.Mode), Judge: c.Judge, Policy: c.Policy,
		Memory: memory.kernel + memory.process, Pages: []string{c.HTTP, c.Health},
	}
	if o.path == "" {
		w.Policy = mirror.TakeAll()
	}
	if c.OnExit == config.OnExitKeep {
		w.Pins = c.Pins
	}
	for _, output := range c.Outputs {
		if output.Path != "" {
			w.Outputs = append(w.Outputs, host.Output{
				Name: output.Name, Path: output.Path, KeepSize: output.KeepSize, Keeps: output.KeepFiles > 0 || output.KeepFree > 0,
			})
		}
	}
	if o.mode != "" {
		w.Mode, err = parseMode(o.mode)
	}
	return w, err
}

// doctorForm is the JSON of all that doctor has to say.
type doctorForm struct {
	*host.Report
	Mended []host.Mended `json:"mended,omitempty"` // by --fix; the findings are of after that
}

func (f doctorForm) print(w io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(f)
	}
	for _, m := range f.Mended {
		if m.Error != "" {
			fmt.Fprintf(w, "not mended: %s: %s\n", m.Command, m.Error)
			continue
		}
		fmt.Fprintf(w, "mended: %s\n  undo: %s\n", m.Command, m.Undo)
	}
	for _, finding := range f.Findings {
		fmt.Fprintf(w, "%-7s  %-16s  %s\n", finding.Level, finding.Subject, finding.Found)
		if finding.Level == host.OK {
			continue
		}
		fmt.Fprintf(w, "%27s  why: %s\n", "", finding.Why)
		if finding.Remedy != "" {
			fmt.Fprintf(w, "%27s  fix: %s\n", "", finding.Remedy)
		}
	}
	return nil
}
