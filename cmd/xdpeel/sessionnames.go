package main

import (
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

// sessionNames are the names that a policy gives to sessions. A file asks for one
// for each session that occurs in it, and there may be thousands of both.
type sessionNames struct {
	names  map[mirror.Session]string // source is the zero Addr for any
	others string                    // the default session's
}

func namesOf(policy *mirror.Policy) sessionNames {
	n := sessionNames{names: make(map[mirror.Session]string, len(policy.Sessions))}
	for i := range policy.Sessions {
		switch s := &policy.Sessions[i]; {
		case s.AnyVNI:
			n.others = s.Name
		default:
			n.names[mirror.Session{VNI: s.VNI, Source: s.Source}] = s.Name
		}
	}
	return n
}

// of returns the name of a session by the most specific of its policies, "" without.
func (n sessionNames) of(session mirror.Session) string {
	for _, key := range []mirror.Session{session, {VNI: session.VNI}} {
		if name, known := n.names[key]; known {
			return name
		}
	}
	return n.others
}

// sessionInfo is what a file says of each session.
type sessionInfo interface {
	statistics(mirror.Session) export.Statistics
	sessionName(mirror.Session) string
}
