// Package bpf is the Go half of the kernel program: its object, built with
// clang-19 and committed, and the Go forms of the structs in abi.h. The enums
// are in package abi, which knows nothing of the kernel.
package bpf

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -no-global-types -type packet -type session_key -type accounts -type session_count -type session -type stranger -type policy_head -type session_entry -type session_policy -type filter -type field -type skip -type class -type chunks -type veth -type veth_account -type note -type book -type sheet -type flight -type config Xdpeel xdpeel.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I. -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu
//go:generate go run ./abi/generate -object xdpeel_bpfel.o -output abi/abi.go
