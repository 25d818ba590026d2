package aws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
)

// Interface is an elastic network interface.
type Interface struct {
	ID      string
	Name    string     // of the tag Name; may be empty
	Address netip.Addr // primary private address, the outer source of what it mirrors; the zero Addr of one with IPv6 only
	MAC     [6]byte
}

type interfaceForm struct {
	NetworkInterfaceId string
	MacAddress         string
	PrivateIpAddress   string // the primary one
	TagSet             []tag
}

// ReadInterfaces reads what `aws ec2 describe-network-interfaces` prints, by
// NetworkInterfaceId. Of an input that is JSON all errors come joined.
func ReadInterfaces(r io.Reader) (map[string]Interface, error) {
	forms, err := readPages(r, "describe-network-interfaces", func(p *page) []interfaceForm { return p.NetworkInterfaces })
	if err != nil {
		return nil, err
	}
	interfaces := make(map[string]Interface, len(forms))
	var errs []error
	for i := range forms {
		found, err := forms[i].read()
		errs = append(errs, err)
		interfaces[found.ID] = found
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return interfaces, nil
}

func (f *interfaceForm) read() (Interface, error) {
	found := Interface{ID: f.NetworkInterfaceId, Name: nameOf(f.TagSet)}
	if found.ID == "" {
		return found, errors.New("read interface: it has no NetworkInterfaceId")
	}
	address, err := netip.ParseAddr(f.PrivateIpAddress)
	if err != nil && f.PrivateIpAddress != "" {
		return found, fmt.Errorf("interface %s: its PrivateIpAddress %q is not an address", found.ID, f.PrivateIpAddress)
	}
	found.Address = address
	mac, err := net.ParseMAC(f.MacAddress)
	if err != nil || len(mac) != len(found.MAC) {
		return found, fmt.Errorf("interface %s: its MacAddress %q is not a MAC address", found.ID, f.MacAddress)
	}
	found.MAC = [6]byte(mac)
	return found, nil
}
