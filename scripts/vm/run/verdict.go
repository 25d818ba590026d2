package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// verdictMark begins the last thing that a guest writes, behind the binary's
// output: the binary's exit code follows it.
const verdictMark = "@@guest-verdict:"

func writeVerdict(w io.Writer, code int) error {
	_, err := fmt.Fprintf(w, "%s%d\n", verdictMark, code)
	return err
}

// relay copies the binary's output line by line, and returns its exit code and
// whether there was one.
func relay(serial io.Reader, stdout io.Writer) (code int, verdict bool) {
	lines := bufio.NewReader(serial)
	for {
		line, err := lines.ReadString('\n')
		output, rest, marked := strings.Cut(line, verdictMark)
		io.WriteString(stdout, output)
		if marked {
			n, err := strconv.Atoi(strings.TrimSpace(rest))
			code, verdict = n, err == nil
		}
		if err != nil {
			return code, verdict
		}
	}
}
