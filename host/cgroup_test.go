package host

import (
	"math"
	"testing"
	"testing/fstest"
)

// The least limit on the way up counts, in either version's hierarchy.
func TestMemoryLimitOf(t *testing.T) {
	t.Parallel()
	const (
		version2 = "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
		version1 = "30 23 0:27 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
			"31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	)
	for name, test := range map[string]struct {
		group, mounts string
		files         map[string]string
		want          MemoryLimit
	}{
		"none":           {"0::/", version2, nil, MemoryLimit{Bytes: math.MaxInt64}},
		"max":            {"0::/a", version2, map[string]string{"sys/fs/cgroup/a/memory.max": "max\n"}, MemoryLimit{Bytes: math.MaxInt64}},
		"own":            {"0::/a/b", version2, map[string]string{"sys/fs/cgroup/a/b/memory.max": "100\n", "sys/fs/cgroup/a/memory.max": "200\n"}, MemoryLimit{100, "/sys/fs/cgroup/a/b/memory.max"}},
		"parent's":       {"0::/a/b", version2, map[string]string{"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "200\n"}, MemoryLimit{200, "/sys/fs/cgroup/a/memory.max"}},
		"top":            {"0::/a", version2, map[string]string{"sys/fs/cgroup/memory.max": "300\n"}, MemoryLimit{300, "/sys/fs/cgroup/memory.max"}},
		"not to be seen": {"0::/../other", version2, map[string]string{"sys/fs/cgroup/memory.max": "300\n"}, MemoryLimit{300, "/sys/fs/cgroup/memory.max"}},
		"version 1":      {"4:memory:/docker/x/y\n0::/", version1, map[string]string{"sys/fs/cgroup/memory/y/memory.limit_in_bytes": "400\n"}, MemoryLimit{400, "/sys/fs/cgroup/memory/y/memory.limit_in_bytes"}},
		"version 1, no limit": {"4:memory:/docker/x", version1, map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"},
			MemoryLimit{Bytes: math.MaxInt64}},
		"other controller": {"5:cpu:/a", version1, map[string]string{"sys/fs/cgroup/cpu/a/memory.limit_in_bytes": "1\n"}, MemoryLimit{Bytes: math.MaxInt64}},
	} {
		root := fstest.MapFS{
			"proc/self/cgroup":    {Data: []byte(test.group + "\n")},
			"proc/self/mountinfo": {Data: []byte(test.mounts)},
		}
		for path, text := range test.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, err := MemoryLimitOf(root); err != nil || got != test.want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, test.want)
		}
	}
}
