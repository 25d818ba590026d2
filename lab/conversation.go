package lab

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// Event is a mirrored packet that arrives at Target.
type Event struct {
	At     time.Duration // since the conversation began
	Frame  []byte        // the outer frame
	Packet mirror.Packet // what is in it, as the mirrored interface saw it; its Time is 0
}

// Conversation returns the mirrored packets of what goes on between two Instances
// and the world in half a second, in order of time, and always the same ones: a
// browser gets a page from web-1, which asks db-1 for what is on it; another one
// gets a page by TLS; web-1 pings db-1. What goes between the two instances is
// mirrored by both. There is no ARP and no DHCP, since AWS mirrors neither.
func Conversation() []Event {
	r := new(recorder)
	browser := &side{address: netip.MustParseAddr("198.51.100.23"), port: 51034, ttl: 51, pause: 17 * time.Millisecond, next: 0x8c1f3a70, id: 0x4e21}
	getPage(r, browser)

	r.now += 40 * time.Millisecond
	phone := &side{address: netip.MustParseAddr("203.0.113.77"), port: 40812, ttl: 44, pause: 31 * time.Millisecond, next: 0x2d90e5b4, id: 0x91c8}
	getPageByTLS(r, phone)

	r.now += 25 * time.Millisecond
	ping(r, web1.Session.Source, db1.Session.Source)
	slices.SortStableFunc(r.events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return r.events
}

// getPage has a browser get a page, for which web-1 looks up and asks db-1.
func getPage(r *recorder, browser *side) {
	page := r.connect(browser, listener(web1, 80, 0x51e0aa02))
	page.send(page.client, httpRequest)
	page.acknowledge(page.server)
	lookUp(r, web1.Session.Source, "db-1.shop.internal", db1.Session.Source)

	caller := &side{address: web1.Session.Source, port: 38466, pause: 200 * time.Microsecond, next: 0xb7713c5e, id: 0x1d0f}
	query := r.connect(caller, listener(db1, 5432, 0x0f6b92d1))
	query.send(query.client, postgresStartup)
	query.send(query.server, postgresReady)
	query.send(query.client, postgresQuery)
	query.send(query.server, postgresRows)
	query.send(query.client, postgresTerminate)
	query.close(query.client)

	page.send(page.server, httpResponse)
	page.acknowledge(page.client)
	page.close(page.client)
}

// getPageByTLS has a browser get a page over a TLS 1.3 connection.
func getPageByTLS(r *recorder, browser *side) {
	c := r.connect(browser, listener(web1, 443, 0xe3045f19))
	c.send(c.client, tlsClientHello("shop.example.com"))
	c.send(c.server, tlsServerFlight())
	c.send(c.client, tlsClientFinished())
	c.send(c.client, tlsApplicationData(311))
	c.send(c.server, tlsApplicationData(842))
	c.acknowledge(c.client)
	c.close(c.server)
}

// listener returns the server's side of a connection to an instance; sequence is
// where it begins to count.
func listener(instance Instance, port uint16, sequence uint32) *side {
	return &side{address: instance.Session.Source, port: port, pause: 180 * time.Microsecond, next: sequence, id: uint16(sequence)}
}

// resolver is that of the VPC: its network's base address plus two.
var resolver = netip.MustParseAddr("10.0.0.2")

// lookUp has a host ask the resolver for the address of a name.
func lookUp(r *recorder, host netip.Addr, name string, answer netip.Addr) {
	const port = 47113
	query := frames.UDP{Source: port, Destination: 53}.Datagram(host, resolver, dnsQuery(name))
	r.pass(90*time.Microsecond, frames.IP{Source: host, Destination: resolver, Protocol: frames.ProtocolUDP, ID: 0x70a2}.Packet(query))
	response := frames.UDP{Source: 53, Destination: port}.Datagram(resolver, host, dnsResponse(name, answer))
	r.pass(400*time.Microsecond, frames.IP{Source: resolver, Destination: host, Protocol: frames.ProtocolUDP}.Packet(response))
}

// ping has one host send two echo requests that the other replies to.
func ping(r *recorder, from, to netip.Addr) {
	for sequence := uint16(1); sequence <= 2; sequence++ {
		request := frames.IP{Source: from, Destination: to, Protocol: frames.ProtocolICMP, ID: 0x3300 + sequence}
		r.pass(20*time.Millisecond, request.Packet(echo(icmpEchoRequest, sequence)))
		reply := frames.IP{Source: to, Destination: from, Protocol: frames.ProtocolICMP, ID: 0x5a10 + sequence}
		r.pass(210*time.Microsecond, reply.Packet(echo(icmpEchoReply, sequence)))
	}
}

// recorder collects what the mirrored interfaces see.
type recorder struct {
	now    time.Duration
	events []Event
}

// crossing is how long a packet takes from one interface of the VPC to another.
const crossing = 60 * time.Microsecond

// pass has an IPv4 packet leave for its destination a while after the one before.
func (r *recorder) pass(after time.Duration, packet []byte) {
	r.now += after
	source, _ := netip.AddrFromSlice(packet[12:16])
	destination, _ := netip.AddrFromSlice(packet[16:20])
	for _, instance := range Instances() {
		switch instance.Session.Source {
		case source:
			frame := frames.Ethernet(instance.router, instance.eni, frames.EtherTypeIPv4, packet)
			r.mirror(instance, abi.DirectionEgress, r.now, frame)
		case destination:
			frame := frames.Ethernet(instance.eni, instance.router, frames.EtherTypeIPv4, packet)
			r.mirror(instance, abi.DirectionIngress, r.now+crossing, frame)
		}
	}
}

// mirror records what an instance's mirror session sends of a frame. It cuts
// the frame and changes nothing in it: the IP header still tells the length.
func (r *recorder) mirror(instance Instance, direction abi.Direction, at time.Duration, frame []byte) {
	p := mirror.Packet{
		Session: instance.Session, Direction: direction, Tunnel: abi.TunnelVXLAN,
		Length: len(frame), Data: frame,
	}
	if instance.PacketLength > 0 && len(frame) > instance.PacketLength {
		p.Data, p.Truncated = frame[:instance.PacketLength], true
	}
	outer := frames.Wrap(p.Data, p.Session.VNI, p.Session.Source, Target)
	r.events = append(r.events, Event{at, outer, p})
}
