package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/xdpeel/xdpeel/export"
)

// daemonForm is the JSON of what a daemon says of itself, behind the ledger.
type daemonForm struct {
	Interfaces []interfaceForm                 `json:"interfaces"`
	Failing    map[string]string               `json:"failing_outputs,omitempty"` // why they take no packets
	Files      map[string]*export.FilesReading `json:"files,omitempty"`           // by output
	HelperGone bool                            `json:"helper_gone,omitempty"`
	Config     configForm                      `json:"config"`
}

type interfaceForm struct {
	Name     string `json:"name"`
	Mode     string `json:"mode"`
	Attached bool   `json:"attached"`
}

type configForm struct {
	Path       string      `json:"path"`
	Generation int         `json:"generation"` // 1 at start, one more with each reload that succeeded
	LoadedAt   time.Time   `json:"loaded_at"`
	LastReload *reloadForm `json:"last_reload,omitempty"` // absent: there was none
}

type reloadForm struct {
	At    time.Time `json:"at"`
	OK    bool      `json:"ok"`
	Error string    `json:"error,omitempty"` // every complaint, one a line
}

func (d *daemon) form() daemonForm {
	state := d.current()
	form := daemonForm{
		Failing: d.outputs.failures(), HelperGone: d.program.HelperGone(),
		Config: configForm{Path: d.path, Generation: state.generation, LoadedAt: state.loadedAt},
	}
	for name, o := range d.outputs.readings() {
		if o.Files != nil {
			if form.Files == nil {
				form.Files = make(map[string]*export.FilesReading)
			}
			form.Files[name] = o.Files
		}
	}
	for _, i := range d.interfaceReadings() {
		form.Interfaces = append(form.Interfaces, interfaceForm{i.Name, i.Mode, i.Attached})
	}
	if !state.reloadedAt.IsZero() {
		form.Config.LastReload = &reloadForm{At: state.reloadedAt, OK: state.reloadErr == nil}
		if state.reloadErr != nil {
			form.Config.LastReload.Error = state.reloadErr.Error()
		}
	}
	return form
}

// statusJSON is the ledger's JSON with what only a daemon has behind it.
func (d *daemon) statusJSON() ([]byte, error) {
	ledger, err := d.ledger()
	if err != nil {
		return nil, err
	}
	head, err := json.Marshal(ledger)
	if err != nil {
		return nil, fmt.Errorf("write ledger: %w", err)
	}
	tail, err := json.Marshal(d.form())
	if err != nil {
		return nil, fmt.Errorf("write status: %w", err)
	}
	joined := append(append(bytes.TrimSuffix(head, []byte("}")), ','), bytes.TrimPrefix(tail, []byte("{"))...)
	var text bytes.Buffer
	if err := json.Indent(&text, joined, "", "  "); err != nil {
		return nil, fmt.Errorf("write status: %w", err)
	}
	text.WriteByte('\n')
	return text.Bytes(), nil
}
