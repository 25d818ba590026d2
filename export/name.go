package export

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xdpeel/xdpeel/mirror"
)

// timeLayouts are the conversions of strftime(3) that time.Format knows by another name.
var timeLayouts = map[string]string{
	"Y": "2006", "y": "06", "m": "01", "d": "02", "j": "002", "b": "Jan", "a": "Mon",
	"H": "15", "M": "04", "S": "05", "F": "2006-01-02", "T": "15:04:05", "Z": "MST", "z": "-0700",
}

// sessionConversions are those of a path that is split by session. Their values are
// made safe for a file's name.
var sessionConversions = map[string]func(s mirror.Session, name string) string{
	"vni":    func(s mirror.Session, _ string) string { return strconv.FormatUint(uint64(s.VNI), 10) },
	"source": func(s mirror.Session, _ string) string { return s.Source.String() },
	"session": func(s mirror.Session, name string) string {
		if name == "" {
			return fmt.Sprintf("vni-%d-from-%s", s.VNI, s.Source)
		}
		return name
	},
}

// expandSession replaces the conversions of sessions in a path.
func expandSession(path string, session mirror.Session, name string) string {
	for conversion, value := range sessionConversions {
		text := strings.Map(safeInName, value(session, name))
		if text == "" || text[0] == '.' {
			text = "_" + text
		}
		path = strings.ReplaceAll(path, "%{"+conversion+"}", strings.ReplaceAll(text, "%", "%%"))
	}
	return path
}

func safeInName(r rune) rune {
	if r == '/' || r < ' ' || r == 0x7f || r == utf8.RuneError {
		return '_'
	}
	return r
}

// ExpandTime replaces the strftime conversions of a path (those of FileOptions.Path) with t
// in its own zone. Its error is of a conversion that there is not.
func ExpandTime(path string, t time.Time) (string, error) {
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

// splitName parts a path before its extension: that of "a.pcapng.zst" is
// ".pcapng.zst", that of "a.b.pcapng" is ".pcapng".
func splitName(path string) (stem, extension string) {
	directory, base := filepath.Split(path)
	extension = filepath.Ext(base)
	if slices.Contains(compressions, extension) {
		extension = filepath.Ext(strings.TrimSuffix(base, extension)) + extension
	}
	stem = strings.TrimSuffix(base, extension)
	if stem == "" { // a hidden file has none
		stem, extension = base, ""
	}
	return directory + stem, extension
}

// numbered puts "-3" before the extension of a path; 0 leaves it as it is.
func numbered(path string, number int) string {
	if number == 0 {
		return path
	}
	stem, extension := splitName(path)
	return stem + "-" + strconv.Itoa(number) + extension
}
