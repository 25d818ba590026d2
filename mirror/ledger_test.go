package mirror_test

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

func TestLedgerJSON(t *testing.T) {
	t.Parallel()
	seen := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.FixedZone("", 3600)).UnixNano()
	ledger := mirror.NewLedger("ens5", "native")
	ledger.Received = 3
	ledger.Outcomes[abi.OutcomeDelivered], ledger.Outcomes[abi.OutcomeUnknownSession] = 1, 2
	ledger.Sessions[mirror.Session{VNI: 5, Source: eni.Address}] = mirror.SessionAccount{
		Name: "web-1", Packets: 6, Bytes: 700, Truncated: 3, Filtered: 2, SampledOut: 1, Lost: 9, LastSeen: seen}
	ledger.Sessions[mirror.Session{VNI: 4, Source: eni6.Address}] = mirror.SessionAccount{}
	ledger.Overflow = mirror.SessionAccount{Packets: 1, Bytes: 60, Filtered: 1}
	ledger.Strangers = []mirror.Stranger{
		{Session: mirror.Session{VNI: 9, Source: web.Address}, Unknown: 2, Bytes: 100},
		{Session: mirror.Session{VNI: 8, Source: web.Address}, Unknown: 1, Denied: 2, Bytes: 150, LastSeen: seen},
		{Session: mirror.Session{VNI: 9, Source: eni.Address}, Denied: 2, Bytes: 50},
	}
	got, err := json.Marshal(ledger)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"interface":"ens5","mode":"native","received":3,` +
		`"outcomes":{"delivered":1,"denied_source":0,"filtered":0,"fragment":0,"host":0,` +
		`"malformed_geneve":0,"malformed_inner":0,"malformed_ip":0,"malformed_udp":0,"malformed_vxlan":0,` +
		`"sampled_out":0,"unknown_session":2},` +
		`"sessions":[` +
		`{"vni":4,"source":"2001:db8::1","name":"","packets":0,"bytes":0,"truncated":0,"filtered":0,"sampled_out":0},` +
		`{"vni":5,"source":"10.0.0.1","name":"web-1","packets":6,"bytes":700,"truncated":3,"filtered":2,"sampled_out":1,` +
		`"last_seen":"2026-01-02T02:04:05.678Z"}],` +
		`"sessions_overflow":{"packets":1,"bytes":60,"truncated":0,"filtered":1,"sampled_out":0},` +
		`"outputs":{},` +
		`"unknown_sessions":[` +
		`{"vni":8,"source":"192.0.2.2","packets":3,"bytes":150,"denied":2,"last_seen":"2026-01-02T02:04:05.678Z"},` +
		`{"vni":9,"source":"10.0.0.1","packets":2,"bytes":50,"denied":2},` +
		`{"vni":9,"source":"192.0.2.2","packets":2,"bytes":100,"denied":0}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("json differs (-want +got):\n%s", diff)
	}
	if ledger.Strangers[0].Session.Source != web.Address || ledger.Strangers[0].Unknown != 2 {
		t.Error("the ledger was changed")
	}
}

func TestLedgerName(t *testing.T) {
	t.Parallel()
	ledger := mirror.NewLedger("", "")
	sessions := []mirror.Session{
		{VNI: 5, Source: eni.Address}, {VNI: 5, Source: web.Address}, {VNI: 6, Source: eni.Address}, {VNI: 7, Source: eni6.Address},
	}
	for _, session := range sessions {
		ledger.Sessions[session] = mirror.SessionAccount{Name: "before", Packets: 1}
	}
	names := func() (names []string) {
		for _, session := range sessions {
			names = append(names, ledger.Sessions[session].Name)
			if ledger.Sessions[session].Packets != 1 {
				t.Errorf("%s: its account was changed", session)
			}
		}
		return names
	}
	policy := &mirror.Policy{Sessions: []mirror.SessionPolicy{
		{VNI: 5, Name: "five"}, {VNI: 5, Source: eni.Address, Name: "web-1"}, {VNI: 7},
	}}
	ledger.Name(policy)
	if diff := cmp.Diff([]string{"web-1", "five", "", ""}, names()); diff != "" {
		t.Errorf("names differ (-want +got):\n%s", diff)
	}
	policy.Sessions = append(policy.Sessions, mirror.SessionPolicy{AnyVNI: true, Name: "rest"})
	ledger.Name(policy)
	if diff := cmp.Diff([]string{"web-1", "five", "rest", ""}, names()); diff != "" {
		t.Errorf("names differ (-want +got):\n%s", diff)
	}
}

// TestStrangersForgotten sees that as many strangers are remembered as there is room
// for, and that whoever was not seen for the longest time makes room.
func TestStrangersForgotten(t *testing.T) {
	t.Parallel()
	denied := web.Address
	policy := mirror.TakeVNIs([]uint32{1 << 20})
	policy.AllowSources = []netip.Prefix{netip.PrefixFrom(eni.Address, 32)}
	d := newDecapsulator(t, mirror.Options{}, policy)
	see := func(vni int, source netip.Addr) {
		frame := frames.Wrap(frames.ARPFrame(eni, web), 0, source, target)
		setVNI(frame, vni)
		d.Judge(frame, len(frame))
	}
	for vni := range abi.LimitStrangers {
		see(vni, eni.Address)
	}
	see(0, eni.Address)
	see(1<<20, denied) // in place of 1
	see(1<<20, denied)
	see(1<<20+1, eni.Address) // in place of 2

	strangers := make(map[mirror.Session]mirror.Stranger)
	for _, stranger := range d.Ledger().Strangers {
		strangers[stranger.Session] = stranger
	}
	if len(strangers) != abi.LimitStrangers {
		t.Errorf("%d strangers, want %d", len(strangers), abi.LimitStrangers)
	}
	for _, want := range []mirror.Stranger{
		{Session: mirror.Session{VNI: 0, Source: eni.Address}, Unknown: 2, Bytes: 84},
		{Session: mirror.Session{VNI: 1 << 20, Source: denied}, Denied: 2, Bytes: 84},
		{Session: mirror.Session{VNI: 3, Source: eni.Address}, Unknown: 1, Bytes: 42},
		{Session: mirror.Session{VNI: 1<<20 + 1, Source: eni.Address}, Unknown: 1, Bytes: 42},
	} {
		if got := strangers[want.Session]; got != want {
			t.Errorf("stranger %+v, want %+v", got, want)
		}
	}
	for _, vni := range []uint32{1, 2} {
		if _, known := strangers[mirror.Session{VNI: vni, Source: eni.Address}]; known {
			t.Errorf("stranger with vni %d is remembered", vni)
		}
	}
	busiest := d.Ledger().BusiestStrangers()
	if busiest[0].Session.VNI != 0 || busiest[1].Session.VNI != 1<<20 || busiest[2].Session.VNI != 3 {
		t.Errorf("busiest: %v", busiest[:3])
	}
}
