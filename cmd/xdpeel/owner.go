package main

import (
	"fmt"
	"os/user"
	"strconv"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
)

// ownerOf looks up whose the files of an output are to be.
func ownerOf(f config.Files) (owner export.Owner, err error) {
	owner = export.Owner{User: -1, Group: -1, Mode: f.Mode}
	if f.Owner != "" {
		if owner.User, err = userID(f.Owner); err != nil {
			return owner, err
		}
	}
	if f.Group != "" {
		owner.Group, err = groupID(f.Group)
	}
	return owner, err
}

// userID returns the number of a user, given by name or number.
func userID(name string) (int, error) {
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	known, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("look up owner: %w", err)
	}
	return strconv.Atoi(known.Uid)
}

// groupID returns the number of a group, given by name or number.
func groupID(name string) (int, error) {
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	known, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("look up group: %w", err)
	}
	return strconv.Atoi(known.Gid)
}
