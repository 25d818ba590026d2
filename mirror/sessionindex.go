package mirror

// sessionIndex finds what Policy.Session finds, without looking through the whole
// policy for each packet.
type sessionIndex struct {
	named map[Session]*SessionPolicy // of any source under the zero Addr
	other *SessionPolicy             // of any VNI; nil: unknown
}

func newSessionIndex(p *Policy) sessionIndex {
	index := sessionIndex{named: make(map[Session]*SessionPolicy, len(p.Sessions))}
	for i := range p.Sessions {
		s := &p.Sessions[i]
		if s.AnyVNI {
			index.other = s
		} else {
			index.named[Session{VNI: s.VNI, Source: s.Source.Unmap()}] = s
		}
	}
	return index
}

// find returns what is wanted of a session, whose source is no IPv4-mapped
// address.
func (x sessionIndex) find(s Session) *SessionPolicy {
	if exact := x.named[s]; exact != nil {
		return exact
	}
	if anySource := x.named[Session{VNI: s.VNI}]; anySource != nil {
		return anySource
	}
	return x.other
}
