package suricata

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// errNotYet is Suricata's answer before it has counted for the first time.
var errNotYet = errors.New("stats not yet synchronized")

// ask puts a command to Suricata's socket: JSON both ways, a greeting first.
func ask(path, command string) (json.RawMessage, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	answers := json.NewDecoder(conn)
	var answer struct {
		Return  string
		Message json.RawMessage
	}
	for _, question := range []map[string]string{{"version": "0.2"}, {"command": command}} {
		if err := json.NewEncoder(conn).Encode(question); err != nil {
			return nil, err
		}
		if err := answers.Decode(&answer); err != nil {
			return nil, err
		}
		if strings.Contains(string(answer.Message), errNotYet.Error()) {
			return nil, errNotYet
		}
		if answer.Return != "OK" {
			return nil, fmt.Errorf("it answers %s: %s", answer.Return, answer.Message)
		}
	}
	return answer.Message, nil
}
