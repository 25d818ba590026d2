// Package aws reads what the AWS CLI prints of Traffic Mirroring: filters, sessions
// and network interfaces, as JSON. Fields that it does not need are ignored.
//
// A long list may come in pages, which are JSON documents one behind the other: an
// input is all of them. Shapes: Amazon EC2 API Reference, DescribeTrafficMirrorFilters,
// DescribeTrafficMirrorSessions and DescribeNetworkInterfaces.
package aws

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// page is one document of an input, with the lists that are looked for.
type page struct {
	TrafficMirrorFilters  []filterForm
	TrafficMirrorSessions []sessionForm
	NetworkInterfaces     []interfaceForm
	NextToken             string // not empty: there is another page
}

type tag struct{ Key, Value string }

// nameOf returns the value of the tag Name, "" without.
func nameOf(tags []tag) string {
	for _, tag := range tags {
		if tag.Key == "Name" {
			return tag.Value
		}
	}
	return ""
}

// readPages reads a list through all pages. command is what prints it, and list
// takes it out of a page: nil where the page does not have it.
func readPages[T any](r io.Reader, command string, list func(*page) []T) ([]T, error) {
	all := []T{}
	decoder := json.NewDecoder(r)
	wrong := (*json.UnmarshalTypeError)(nil)
	for last := ""; ; {
		var p page
		err := decoder.Decode(&p)
		switch {
		case errors.Is(err, io.EOF) && last != "":
			return nil, errors.New("read pages: the last one has a NextToken, so there are more: print them all")
		case errors.Is(err, io.EOF) && decoder.InputOffset() > 0:
			return all, nil
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("read pages: nothing in it; `aws ec2 %s` prints it", command)
		case errors.As(err, &wrong):
			return nil, fmt.Errorf("read pages: not what `aws ec2 %s` prints: %s is of JSON type %s", command, cmp.Or(wrong.Field, "all"), wrong.Value)
		case err != nil:
			return nil, fmt.Errorf("read json at byte %d: %w", decoder.InputOffset(), err)
		}
		part := list(&p)
		if part == nil {
			return nil, fmt.Errorf("read pages: not what `aws ec2 %s` prints", command)
		}
		all, last = append(all, part...), p.NextToken
	}
}

// readEach reads the elements of a list, of which no two have one id. what is what they
// are, as "filter". All errors come joined.
func readEach[F, T any](forms []F, what string, read func(*F) (T, error), id func(*T) string) ([]T, error) {
	all := make([]T, 0, len(forms))
	known := make(map[string]bool, len(forms))
	var errs []error
	for i := range forms {
		found, err := read(&forms[i])
		if err == nil && known[id(&found)] {
			err = fmt.Errorf("%s %s: is there twice", what, id(&found))
		}
		known[id(&found)] = true
		all, errs = append(all, found), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}
