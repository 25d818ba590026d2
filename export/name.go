package export

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// timeLayouts are the conversions of strftime(3) that time.Format knows by another name.
var timeLayouts = map[string]string{
	"Y": "2006", "y": "06", "m": "01", "d": "02", "j": "002", "b": "Jan", "a": "Mon",
	"H": "15", "M": "04", "S": "05", "F": "2006-01-02", "T": "15:04:05", "Z": "MST", "z": "-0700",
}

// expandTime replaces the strftime conversions of a path with t in its own zone.
func expandTime(path string, t time.Time) (string, error) {
	var expanded strings.Builder
	for {
		before, after, found := strings.Cut(path, "%")
		expanded.WriteString(before)
		if !found {
			return expanded.String(), nil
		}
		_, size := utf8.DecodeRuneInString(after)
		conversion := after[:size]
		switch layout, known := timeLayouts[conversion]; {
		case known:
			expanded.WriteString(t.Format(layout))
		case conversion == "s":
			expanded.WriteString(strconv.FormatInt(t.Unix(), 10))
		case conversion == "%":
			expanded.WriteByte('%')
		default:
			return "", fmt.Errorf("expand time: unknown conversion %q", "%"+conversion)
		}
		path = after[size:]
	}
}

// compressions are the extensions that stand behind another one.
var compressions = []string{".zst", ".gz", ".lz4", ".xz", ".bz2"}

// numbered puts "-3" before the extension of a path; 0 leaves it as it is. The
// extension of "a.pcapng.zst" is ".pcapng.zst", that of "a.b.pcapng" is ".pcapng".
func numbered(path string, number int) string {
	if number == 0 {
		return path
	}
	directory, base := filepath.Split(path)
	extension := filepath.Ext(base)
	if slices.Contains(compressions, extension) {
		extension = filepath.Ext(strings.TrimSuffix(base, extension)) + extension
	}
	stem := strings.TrimSuffix(base, extension)
	if stem == "" { // a hidden file has none
		stem, extension = base, ""
	}
	return directory + stem + "-" + strconv.Itoa(number) + extension
}
