// Package drivers holds no program: its tests find out what XDP can do with the
// network drivers of a guest, on the kernel that it runs. They judge nothing, and
// log what they found:
//
//	scripts/vm/matrix.sh --nics virtio,virtio-single,vmxnet3 ./scripts/vm/drivers
package drivers
