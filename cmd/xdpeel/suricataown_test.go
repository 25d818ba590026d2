package main

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab/suricata"
)

// ownDifference is one between what Suricata makes of a file and of the same frames
// live, with or without xdpeel. All are of the outermost VLAN tag: the kernel takes
// it out of a frame and gives it to the reader of a packet socket beside the frame
// (struct tpacket_auxdata). Suricata decodes the frame without it, then puts it back.
type ownDifference string

const (
	// Bytes are counted before the tag is back.
	tagNotCounted ownDifference = "bytes of tags are not counted"
	// A packet that Suricata puts together from fragments never gets it.
	tagNotInReassembled ownDifference = "reassembled packets have no tag"
	// What the decoder of tags complains of: a tag before something that is no EtherType.
	tagNotDecoded ownDifference = "tags before LLC are not complained of"
)

// ownDifferences says where which of them are. In all other captures there are none.
var ownDifferences = map[string][]ownDifference{
	"CESNET_FlowTest__802.1Q_tunneling.pcap":                   {tagNotCounted},
	"OISF_suricata-verify__frag-eth-vlan-ipv6-tcp.pcap":        {tagNotCounted, tagNotInReassembled},
	"the-tcpdump-group_tcpdump__802.1ad_QinQ.pcap":             {tagNotCounted},
	"the-tcpdump-group_tcpdump__rpvstp-trunk-native-vid5.pcap": {tagNotCounted, tagNotDecoded},
	"zeek_zeek__http-qinq-0.pcap":                              {tagNotCounted},
	"zeek_zeek__mixed-vlan-mpls.pcap":                          {tagNotCounted},
	"zeek_zeek__vlan-qinqinq.pcap":                             {tagNotCounted},
}

// expectOwnDifferences holds what Suricata made of the frames live, without xdpeel,
// against what it made of the files.
func expectOwnDifferences(t *testing.T, list []traffic, files map[string]*suricata.Findings, live *suricata.Findings) {
	t.Helper()
	for _, one := range list {
		want := files[one.name].Of("")
		var own []ownDifference
		for _, d := range suricata.Compare(want, live.Of(one.iface)) {
			causes, unexplained := explain(d)
			if unexplained {
				t.Errorf("%s, live against file: %s", one.name, d)
			}
			own = append(own, causes...)
		}
		slices.Sort(own)
		if diff := cmp.Diff(slices.Sorted(slices.Values(ownDifferences[one.name])), slices.Compact(own)); diff != "" {
			t.Errorf("%s: differences that are Suricata's own (-want +got):\n%s", one.name, diff)
		}
	}
}

// explain returns the causes of a difference, and if any of it has another.
func explain(d suricata.Difference) (causes []ownDifference, unexplained bool) {
	if d.Want == nil {
		return nil, true
	}
	if d.Got == nil {
		return []ownDifference{tagNotDecoded}, d.Want.Fields["anomaly.event"] != "decoder.vlan.unknown_type"
	}
	tagged := number(d.Want.Fields["decoder.vlan"]) // packets
	for path, change := range d.Fields {
		want, got := number(change.Want), number(change.Got)
		switch {
		case path == "decoder.bytes" && want-got == 4*tagged,
			(path == "decoder.avg_pkt_size" || path == "decoder.max_pkt_size") && want > got && want-got <= 4:
			causes = append(causes, tagNotCounted)
		case strings.HasPrefix(path, "flow.bytes_") && want-got == 4 && d.Want.Fields["vlan[0]"] != "",
			path == "packet" && untagged(change.Want) == change.Got && d.Want.Fields["pkt_src"] == "defrag":
			causes = append(causes, tagNotInReassembled)
		case (path == "decoder.invalid" || path == "decoder.event.vlan.unknown_type") && want == tagged && got == 0:
			causes = append(causes, tagNotDecoded)
		default:
			unexplained = true
		}
	}
	return causes, unexplained
}

func number(text string) int {
	n, _ := strconv.Atoi(text) // "" is 0
	return n
}

// untagged returns a frame without its first VLAN tag, both in base64.
func untagged(text string) string {
	frame, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(frame) < 16 || !bytes.Equal(frame[12:14], []byte{0x81, 0}) {
		return ""
	}
	return base64.StdEncoding.EncodeToString(slices.Delete(frame, 12, 16))
}
