package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// measureRatios sets the reads beside bare Gin, which answers the very same bytes, and beside the
// naive service, for information.
func (b *bench) measureRatios(ctx context.Context) error {
	service, err := b.seeded(ctx, b.launchService(), b.opt.users)
	if err != nil {
		return err
	}
	defer b.stop(service)
	userPath := "/users/" + strconv.Itoa(b.opt.users/2)
	pagePath := "/users/?limit=" + strconv.Itoa(pageLimit)
	bare, err := b.startBare(ctx, service, userPath, pagePath)
	if err != nil {
		return err
	}
	defer b.stop(bare)
	naive, err := b.seeded(ctx, b.launchNaive(), b.opt.users)
	if err != nil {
		return err
	}
	defer b.stop(naive)

	const filteredPath = "/users/?age_min=30&sort=-created_at&limit=50"
	bareFiltered, err := b.startBare(ctx, service, userPath, filteredPath)
	if err != nil {
		return err
	}
	defer b.stop(bareFiltered)

	servers := []*process{service, bare, naive}
	b.readRows(ctx, "GET /users/{id}", userPath, servers, atLeast(0.85))
	b.readRows(ctx, "GET /users/?limit=50", pagePath, servers, atLeast(0.75))
	b.readRows(ctx, "GET "+filteredPath, filteredPath, []*process{service, bareFiltered, naive}, nil)
	const patch = "PATCH /users/{id} with If-Match"
	outs, err := b.patchInTurns(ctx, patch, servers)
	b.ratioRows(patch, servers, outs, row{goal: nil, err: err})
	return ctx.Err()
}

func (b *bench) readRows(ctx context.Context, name, path string, servers []*process, g *goal) {
	loads, err := fixedLoads(ctx, path, servers)
	var outs [][]outcome
	if err == nil {
		outs, err = b.alternate(ctx, name, servers, loads)
	}
	b.ratioRows(name, servers, outs, row{goal: g, err: err})
}

// ratioRows sets the outcomes of the service, the first server, beside those of bare Gin and of the
// naive service. The row says what is wrong with them and what the first ratio is to be.
func (b *bench) ratioRows(name string, servers []*process, outs [][]outcome, r row) {
	against := row{name: name + " / bare static", unit: asRatio, goal: r.goal, err: r.err}
	beside := row{name: name + " / naive", unit: asRatio, err: r.err}
	if r.err == nil {
		against.values, beside.values = ratios(outs[0], outs[1]), ratios(outs[0], outs[2])
		against.note, beside.note = cpuNote(outs[0], outs[1]), "for information; "+cpuNote(outs[0], outs[2])
		b.report.context(name, names(servers), outs)
	}
	b.report.add(against, beside)
}

// cpuNote gives the ratio that neither the generator's share nor a busy neighbour dilutes.
func cpuNote(a, b []outcome) string {
	return fmt.Sprintf("of CPU per answer %.2f", median(costs(b))/median(costs(a)))
}

func names(servers []*process) []string {
	var list []string
	for _, p := range servers {
		list = append(list, p.name)
	}
	return list
}

// fixedLoads asks each server once, so that a wrong answer is found before it is measured.
func fixedLoads(ctx context.Context, path string, servers []*process) ([]load, error) {
	var loads []load
	for _, p := range servers {
		body, err := p.get(ctx, path)
		if err != nil {
			return nil, err
		}
		loads = append(loads, load{path: path, mode: "fixed", minBytes: len(body)})
	}
	return loads, nil
}

// startBare hands the service's own answers to bare Gin and makes sure that both say the same.
func (b *bench) startBare(ctx context.Context, service *process, userPath, pagePath string) (*process, error) {
	paths := map[string]string{"user": userPath, "page": pagePath}
	l := launch{name: "bare", binary: b.bare, ready: "/users/"}
	bodies := make(map[string][]byte)
	for kind, path := range paths {
		body, err := service.get(ctx, path)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(b.dir, kind+".json")
		if err := os.WriteFile(file, body, 0o600); err != nil {
			return nil, err
		}
		l.args = append(l.args, "-"+kind, file)
		bodies[path] = body
	}
	var page struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(bodies[pagePath], &page); err != nil {
		return nil, fmt.Errorf("the page of the service: %w", err)
	}
	if len(page.Items) != pageLimit {
		return nil, fmt.Errorf("the page of the service has %d users, not %d", len(page.Items), pageLimit)
	}
	bare, err := b.start(ctx, l)
	if err != nil {
		return nil, err
	}
	for path, want := range bodies {
		got, err := bare.get(ctx, path)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(got, want) {
			return nil, fmt.Errorf("bare does not answer the service's bytes at %s", path)
		}
	}
	return bare, nil
}

// seeded starts a server and fills it.
func (b *bench) seeded(ctx context.Context, l launch, users int) (*process, error) {
	p, err := b.start(ctx, l)
	if err != nil {
		return nil, err
	}
	if _, err := b.seed(ctx, p, users); err != nil {
		b.stop(p)
		return nil, err
	}
	return p, nil
}
