package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/enrichgate/enrichgate/enrich"
)

type cachePurgeCmd struct {
	Source   string `help:"Only answers of this source." placeholder:"NAME"`
	Endpoint string `help:"Only answers of this lookup." placeholder:"NAME"`
	Value    string `help:"Only answers about this value." placeholder:"VALUE"`
	Before   string `help:"Only what was stored before this time or age: 7d, 2026-08-01." placeholder:"WHEN"`
	All      bool   `help:"Everything."`
	Reason   string `help:"Why; it goes into the audit log." required:"" placeholder:"TEXT"`
	Yes      bool   `help:"Do not ask." short:"y"`
}

// Run removes what was chosen.
func (p cachePurgeCmd) Run(env *environment, c *cli) (err error) {
	chosen := p.Source != "" || p.Endpoint != "" || p.Value != "" || p.Before != ""
	if chosen == p.All {
		return &exitError{exitUsage, errors.New("say what to remove: --source, --endpoint, --value or --before, or --all alone")}
	}
	k := selection{Source: p.Source, Endpoint: p.Endpoint, By: whoami(), Reason: p.Reason}
	if p.Value != "" {
		entity, err := enrich.NewEntity("", p.Value)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		k.Value = entity.Subject()
	}
	way, err := c.reading(env, "cache purge")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	now, err := way.now(env.ctx)
	if err != nil {
		return err
	}
	if k.Before, err = moment(p.Before, now); err != nil {
		return &exitError{exitUsage, fmt.Errorf("--before: %w", err)}
	}
	if !p.Yes {
		yes, err := env.confirm(env.ctx, "remove these answers? They will be paid for again.")
		if err == nil && !yes {
			err = &exitError{exitUsage, errors.New("what is removed will be paid for again: say --yes")}
		}
		if err != nil {
			return err
		}
	}
	var d done
	if err := way.call(env.ctx, request{method: http.MethodPost, path: "/local/v1/cache/purge", body: k}, &d); err != nil {
		return err
	}
	env.say("%s answers were removed", grouped(d.Units))
	return nil
}

type cacheWarmCmd struct {
	Values   []string `arg:"" optional:"" help:"Values to look up; - reads them from standard input."`
	File     string   `help:"Read the values from a file, one a line." short:"f" type:"path" placeholder:"FILE"`
	Source   string   `help:"The source to ask, when several look such a value up." placeholder:"NAME"`
	TLP      string   `help:"The values' marking, such as TLP:GREEN." placeholder:"TLP"`
	MaxUnits *int64   `help:"Begin nothing that might take the sum above this; 0 pays for nothing (default: no limit)." placeholder:"N"`
	Yes      bool     `help:"Do not ask." short:"y"`
}

// Run is a lookup whose answers only the cache gets; what has none is said.
func (w cacheWarmCmd) Run(env *environment, c *cli) error {
	l := lookupCmd{Values: w.Values, File: w.File, Source: w.Source, TLP: w.TLP, MaxUnits: w.MaxUnits, Yes: w.Yes, warm: true}
	l.Output = "auto"
	return l.Run(env, c)
}

// warmForm prints only what could not be kept.
type warmForm struct{ stixForm }

func (f *warmForm) wantsBundles() bool { return false }

func (f *warmForm) item(i lookupItem) error {
	if i.Answer != nil {
		return nil
	}
	return f.stixForm.item(i)
}

type cacheExportCmd struct {
	Source string `help:"Only answers of this source." placeholder:"NAME"`
	File   string `help:"The file to write (default: standard output)." short:"f" type:"path" placeholder:"FILE"`
}

// Run writes what is kept. A file is complete or not there.
func (e cacheExportCmd) Run(env *environment, c *cli) (err error) {
	way, err := c.reading(env, "cache export")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	resp, err := way.do(env.ctx, request{method: http.MethodGet, path: "/local/v1/cache" + selection{Source: e.Source}.query()})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if e.File == "" {
		if _, err := io.Copy(env.stdout, resp.Body); err != nil {
			return way.unanswered(env.ctx, fmt.Errorf("the export was cut off: %w", err))
		}
		return nil
	}
	f, err := os.OpenFile(e.File+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(way.unanswered(env.ctx, fmt.Errorf("the export was cut off: %w", err)), os.Remove(e.File+".new"))
	}
	return os.Rename(e.File+".new", e.File)
}

type cacheImportCmd struct {
	File string `arg:"" help:"The file to read; - is standard input."`
}

// pieceOfImport is how much one request of an import has; lines stay whole.
const pieceOfImport = 512 << 10

// Run reads an export, piece by piece.
func (i cacheImportCmd) Run(env *environment, c *cli) (err error) {
	in := env.stdin
	if i.File != "-" {
		f, err := os.Open(i.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	if in == nil {
		return &exitError{exitUsage, errors.New("there is no standard input to read")}
	}
	way, err := c.access(env, needBooks, "cache import")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	var sum imported
	send := func(piece []byte) error {
		var n imported
		err := way.call(env.ctx, request{method: http.MethodPost, path: "/local/v1/cache/import", raw: piece}, &n)
		sum.Stored, sum.Kept, sum.Gone, sum.Bad = sum.Stored+n.Stored, sum.Kept+n.Kept, sum.Gone+n.Gone, sum.Bad+n.Bad
		sum.Errors = append(sum.Errors, n.Errors...)
		return err
	}
	lines, piece := bufio.NewReaderSize(in, 64<<10), []byte(nil)
	for {
		line, err := lines.ReadBytes('\n')
		piece = append(piece, line...)
		if end := errors.Is(err, io.EOF); len(piece) >= pieceOfImport || end && len(piece) > 0 {
			if err := send(piece); err != nil {
				return err
			}
			piece = piece[:0]
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	env.say("%d answers stored, %d were there as new or newer, %d were past their time", sum.Stored, sum.Kept, sum.Gone)
	if sum.Bad > 0 {
		return fmt.Errorf("%d lines were not an answer's, the first: %s", sum.Bad, sum.Errors[0])
	}
	return nil
}
