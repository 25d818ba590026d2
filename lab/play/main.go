// Play sends lab's conversation out of an interface of the network namespace that it
// runs in, as AWS Traffic Mirroring would send it: `play IFACE`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/xdpeel/xdpeel/lab"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: play IFACE")
		os.Exit(2)
	}
	if err := play(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "play:", err)
		os.Exit(1)
	}
}

func play(ifname string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	here, err := lab.Here()
	if err != nil {
		return err
	}
	defer here.Close()
	sender, err := lab.OpenSender(here, ifname)
	if err != nil {
		return err
	}
	defer sender.Close()
	conversation := lab.Conversation()
	if err := sender.Replay(ctx, conversation); err != nil {
		return err
	}
	fmt.Printf("sent %d mirrored packets of %d instances\n", len(conversation), len(lab.Instances()))
	return nil
}
