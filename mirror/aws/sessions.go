package aws

import (
	"errors"
	"fmt"
	"io"

	"github.com/xdpeel/xdpeel/mirror"
)

// Session is a traffic mirror session.
type Session struct {
	ID           string
	Name         string // of the tag Name; may be empty
	Description  string // may be empty
	Owner        string // AWS account
	FilterID     string
	InterfaceID  string  // of the mirrored interface
	Number       int     // in which the sessions of an interface are tried, ascending
	VNI          *uint32 // 24 bits; nil where the JSON has none
	PacketLength int     // bytes that AWS keeps of an inner frame; 0: all
}

type sessionForm struct {
	TrafficMirrorSessionId string
	TrafficMirrorFilterId  string
	NetworkInterfaceId     string
	OwnerId                string
	PacketLength           int
	SessionNumber          int
	VirtualNetworkId       *uint32
	Description            string
	Tags                   []tag
}

// ReadSessions reads what `aws ec2 describe-traffic-mirror-sessions` prints, in the
// order of the input. Of an input that is JSON all errors come joined.
func ReadSessions(r io.Reader) ([]Session, error) {
	forms, err := readPages(r, "describe-traffic-mirror-sessions", func(p *page) []sessionForm { return p.TrafficMirrorSessions })
	if err != nil {
		return nil, err
	}
	return readEach(forms, "session", (*sessionForm).session, func(s *Session) string { return s.ID })
}

func (f *sessionForm) session() (Session, error) {
	session := Session{
		ID: f.TrafficMirrorSessionId, Name: nameOf(f.Tags), Description: f.Description, Owner: f.OwnerId,
		FilterID: f.TrafficMirrorFilterId, InterfaceID: f.NetworkInterfaceId,
		Number: f.SessionNumber, VNI: f.VirtualNetworkId, PacketLength: f.PacketLength,
	}
	switch {
	case session.ID == "":
		return session, errors.New("read session: it has no TrafficMirrorSessionId")
	case session.FilterID == "":
		return session, fmt.Errorf("session %s: it has no TrafficMirrorFilterId", session.ID)
	case session.VNI != nil && *session.VNI > mirror.MaxVNI:
		return session, fmt.Errorf("session %s: its VirtualNetworkId %d is more than 24 bits", session.ID, *session.VNI)
	case session.PacketLength < 0:
		return session, fmt.Errorf("session %s: its PacketLength %d is negative", session.ID, session.PacketLength)
	}
	return session, nil
}
