// Package systemd holds no program: its tests install the daemon on the machine that
// they run on, which is a guest that may be used up, and see what systemd makes of it:
//
//	scripts/vm/systemd.sh
package systemd
