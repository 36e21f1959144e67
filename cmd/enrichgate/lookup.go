package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
	"github.com/enrichgate/enrichgate/stixconv"
)

type lookupCmd struct {
	Values   []string      `arg:"" optional:"" help:"IP addresses, domains, URLs, file hashes, e-mail addresses, AS numbers, CVE ids; defanged is fine. - reads them from standard input."`
	File     string        `help:"Read the values from a file, one a line; # begins a comment." short:"f" type:"path" placeholder:"FILE"`
	Type     string        `help:"The values' type, as OpenCTI or STIX names it (default: what each looks like)." placeholder:"TYPE"`
	Source   string        `help:"The source to ask, when several look such a value up." placeholder:"NAME"`
	TLP      string        `help:"The values' marking, such as TLP:GREEN." placeholder:"TLP"`
	MaxUnits *int64        `help:"Stop paying at the first value that might take the sum above this; 0 pays for nothing (default: no limit)." placeholder:"N"`
	NoSpend  bool          `help:"Only what is kept; ask nobody." xor:"age"`
	Refresh  bool          `help:"Ask again, whatever is kept." xor:"age"`
	MaxAge   time.Duration `help:"Ask again what is older than this." placeholder:"6h" xor:"age"`
	Why      bool          `help:"A row for each lookup behind the answer: where it came from, how old it is, what it cost." xor:"form"`
	STIX     bool          `name:"stix" help:"The STIX bundles alone, one a line." xor:"form"`
	Yes      bool          `help:"Do not ask before a long list is paid for." short:"y"`
	output.Options

	// warm fills the cache and prints nothing.
	warm bool
}

// askAbove is how many values are looked up without asking whether they may
// cost what they cost.
const askAbove = 10

// Run looks values up, through the running daemon or straight on the data
// directory: either way the same cache, ledger and policy.
func (l lookupCmd) Run(env *environment, c *cli) (err error) {
	if err := l.check(); err != nil {
		return &exitError{exitUsage, err}
	}
	values, err := l.values(env)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	form, err := l.form(env)
	if err != nil {
		return err
	}
	way, err := c.access(env, needKeys, "lookup")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	b := &lookupBatch{cmd: l, env: env, way: way, values: values, form: form}
	if len(values) > 1 || l.warm {
		if err := b.agree(); err != nil {
			return err
		}
	}
	err = b.run()
	if len(values) > 1 {
		b.env.say("%s", b.tally(err))
	}
	return errors.Join(err, form.close(), b.verdict(err))
}

func (l lookupCmd) check() error {
	switch {
	case l.MaxUnits != nil && *l.MaxUnits < 0:
		return errors.New("--max-units is a number from 0")
	case l.MaxAge < 0 || l.MaxAge > 0 && l.MaxAge < time.Second:
		return errors.New("--max-age is at least 1s")
	case l.STIX && (l.Output != "auto" || len(l.Fields) > 0 || l.JQ != "" || l.Template != ""):
		return errors.New("--stix has one form; leave --output, --json, --jq and --template away")
	}
	if l.TLP != "" {
		if _, err := stixconv.ParseTLP(l.TLP); err != nil {
			return fmt.Errorf("--tlp: %w", err)
		}
	}
	return nil
}

// values collects what is to be looked up, in order.
func (l lookupCmd) values(env *environment) (all []string, err error) {
	named := l.Values
	if l.File == "-" {
		named = append(named, l.File)
	}
	for _, v := range named {
		if v != "-" {
			all = append(all, v)
			continue
		}
		if env.stdin == nil {
			return nil, errors.New("there is no standard input to read")
		}
		if all, err = readValues(all, env.stdin); err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
	}
	if l.File != "" && l.File != "-" {
		f, err := os.Open(l.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if all, err = readValues(all, f); err != nil {
			return nil, fmt.Errorf("%s: %w", l.File, err)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no value was given")
	}
	return all, nil
}

// readValues adds the values of a list, one a line.
func readValues(all []string, r io.Reader) ([]string, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if i := strings.Index(line, " #"); i >= 0 {
			line = strings.TrimSpace(line[:i]) // a # within a word may belong to a URL
		}
		if line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all, lines.Err()
}

// confirm asks on the terminal whether to go on. Without one the answer is no.
func (env *environment) confirm(ctx context.Context, question string) (bool, error) {
	in, ok := env.stdin.(*os.File)
	if !ok || output.TerminalOf(in, nil).Width == 0 || output.TerminalOf(env.stderr, nil).Width == 0 {
		return false, nil
	}
	fmt.Fprintf(env.stderr, "%s [y/N] ", question)
	typed := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		typed <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case word := <-typed:
		if word == "y" || word == "yes" {
			return true, nil
		}
		return false, &exitError{exitInterrupted, errors.New("nothing was done")}
	case <-ctx.Done():
		return false, &exitError{exitInterrupted, errors.New("interrupted")}
	}
}
