package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/xdpeel/xdpeel/config"
)

// defaultControl is where `xdpeel reload` looks for a daemon: the unit of deploy/ has it
// listen there.
const defaultControl = runtimeDirectory + "/control.sock"

// reloadRequest is the only line that a daemon is asked; who only looks whether it listens
// says nothing.
const reloadRequest = "reload\n"

// control is the unix socket by which a daemon is told to reload, by its own user and by
// root, and answers how that went.
type control struct {
	door    *door
	log     *slog.Logger
	reloads chan chan<- reloadAnswer // to serve, which alone changes the daemon
	ended   chan struct{}            // closed when nobody serves any more
}

// reloadAnswer is the JSON of how a reload went.
type reloadAnswer struct {
	Summary string `json:"summary"`         // of the configuration in effect
	Error   string `json:"error,omitempty"` // every complaint, one a line; "": it is the one in the file
	Hint    string `json:"hint,omitempty"`
}

// openControl listens at a path; for "" there is no socket, and nobody asks.
func openControl(path string, log *slog.Logger) (*control, error) {
	c := &control{log: log, reloads: make(chan chan<- reloadAnswer), ended: make(chan struct{})}
	if path == "" {
		return c, nil
	}
	var err error
	if c.door, err = openDoor(path, config.Socket{}); err != nil {
		return nil, hinted(err, "another xdpeel may run; --control names the socket")
	}
	if err := c.door.rename(); err != nil {
		return nil, errors.Join(err, c.door.close())
	}
	go c.welcome()
	return c, nil
}

// welcome takes requests until the socket is closed.
func (c *control) welcome() {
	letIn(c.door.listener, func(conn *net.UnixConn) { go c.answer(conn) }, func(err error) {
		c.log.Error("request is not let in", "error", err, "hint", "it may be made again; too many open files is LimitNOFILE of the unit")
	})
}

// answer has one who asks for a reload wait for it. Who has gone away needs no answer.
func (c *control) answer(conn *net.UnixConn) {
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(wishPatience))
	request := make([]byte, len(reloadRequest))
	if _, err := io.ReadFull(conn, request); err != nil || string(request) != reloadRequest {
		return
	}
	done := make(chan reloadAnswer, 1)
	select {
	case c.reloads <- done:
	case <-c.ended:
		return
	}
	select {
	case answer := <-done:
		json.NewEncoder(conn).Encode(answer)
	case <-c.ended:
	}
}

// close takes the socket away. Who still waits is told nothing: the daemon has ended.
func (c *control) close() error {
	close(c.ended)
	if c.door == nil {
		return nil
	}
	return c.door.close()
}
