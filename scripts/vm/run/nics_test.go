package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNICs(t *testing.T) {
	t.Parallel()
	nics, err := parseNICs("virtio,vmxnet3")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range nics {
		got = append(got, n.qemuArguments()...)
	}
	want := []string{
		"-netdev", "tap,id=virtio0,ifname=xdpeel0,script=no,downscript=no,vhost=off,queues=4",
		"-device", "virtio-net-pci,mq=on,vectors=10,netdev=virtio0",
		"-netdev", "tap,id=virtio1,ifname=xdpeel1,script=no,downscript=no,vhost=off,queues=4",
		"-device", "virtio-net-pci,mq=on,vectors=10,netdev=virtio1",
		"-netdev", "hubport,id=vmxnet30,hubid=1", "-device", "vmxnet3,netdev=vmxnet30",
		"-netdev", "hubport,id=vmxnet31,hubid=1", "-device", "vmxnet3,netdev=vmxnet31",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownNIC(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"ena", "virtio,", ""} {
		if _, err := parseNICs(list); err == nil || !strings.Contains(err.Error(), "there are virtio, virtio-single, vmxnet3") {
			t.Errorf("%q: error %v does not name what there is", list, err)
		}
	}
}
