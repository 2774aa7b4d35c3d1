package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// patchInTurns raises the ages of users by PATCH, each time with the version that the last answer about
// the user gave. Bare answers the same user for all, so that it is asked for this one alone.
func (b *bench) patchInTurns(ctx context.Context, name string, servers []*process) ([][]outcome, error) {
	if b.opt.warmup > 0 {
		for _, p := range servers {
			if _, err := b.drivePatch(ctx, p, b.opt.warmup); err != nil {
				return nil, err
			}
		}
	}
	return b.takeTurns(name, len(servers), func(i int) (outcome, error) {
		return b.drivePatch(ctx, servers[i], b.opt.seconds)
	})
}

// drivePatch tells wrk the versions as they are, and looks afterwards whether each change that was
// acknowledged has made a version.
func (b *bench) drivePatch(ctx context.Context, p *process, seconds int) (outcome, error) {
	file := filepath.Join(b.dir, "versions")
	before, err := writeVersions(ctx, p, file)
	if err != nil {
		return outcome{}, err
	}
	out, err := b.drive(ctx, p, load{path: "/users/", mode: "patch", args: []string{file}}, seconds)
	if err != nil || p.name == "bare" {
		return out, err
	}
	after, err := writeVersions(ctx, p, file)
	if err != nil {
		return outcome{}, err
	}
	// The requests that were under way when wrk ended have no answer, and may have been carried out.
	if made := after - before; made < out.Requests || made > out.Requests+wrkConnections {
		return outcome{}, fmt.Errorf("%s: %d changes were acknowledged and %d were made", p.name, out.Requests, made)
	}
	return out, nil
}

// writeVersions writes the id, the version and the age of users into a file, zero for no age, and
// returns the sum of the versions. Bare does not know versions; what it answers has one.
func writeVersions(ctx context.Context, p *process, file string) (sum int64, err error) {
	body, err := p.get(ctx, "/users/?limit="+strconv.Itoa(fewestUsers))
	if err != nil {
		return 0, err
	}
	var users page
	if err := json.Unmarshal(body, &users); err != nil {
		return 0, err
	}
	var lines []byte
	for _, u := range users.Items {
		age := int64(0)
		if u.Age != nil {
			age = *u.Age
		}
		lines = fmt.Appendf(lines, "%d %d %d\n", u.ID, u.Version, age)
		sum += u.Version
	}
	return sum, os.WriteFile(file, lines, 0o600)
}
