package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

const (
	// batchSize is how many values one request of the API has.
	batchSize = 200
	// How long a rate limit may delay the answer to one value, and to one of a list.
	waitOne, waitMany = 30 * time.Second, 4 * time.Minute
)

// lookupBatch looks a list of values up, piece by piece.
type lookupBatch struct {
	cmd    lookupCmd
	env    *environment
	way    *access
	values []string
	form   lookupForm

	done         int
	units, saved int64
	worst        int  // exit code
	broke        bool // a value did not fit into --max-units: nothing after it is paid for
}

// question is one value as the API is asked about it.
type question struct {
	Value string `json:"value"`
	Type  string `json:"type,omitempty"`
	TLP   string `json:"tlp,omitempty"`
}

// list is the body of POST /api/v1/lookups and /api/v1/estimate.
type list struct {
	Source   string     `json:"source,omitempty"`
	Values   []question `json:"values"`
	MaxUnits *int64     `json:"max_units,omitempty"` // absent is no limit, 0 spends nothing
	Bundles  bool       `json:"bundles"`
}

func (b *lookupBatch) list(values []string) list {
	l := list{Source: b.cmd.Source, Bundles: b.form.wantsBundles()}
	for _, v := range values {
		l.Values = append(l.Values, question{Value: v, Type: b.cmd.Type, TLP: b.cmd.TLP})
	}
	return l
}

// header says what of the cache may be used, and how long to wait.
func (b *lookupBatch) header(onlyKept bool) http.Header {
	h := http.Header{}
	wait := waitOne
	if len(b.values) > 1 {
		wait = waitMany
	}
	h.Set("Prefer", "wait="+strconv.Itoa(int(wait.Seconds())))
	switch {
	case b.cmd.NoSpend || onlyKept:
		h.Set("Cache-Control", "only-if-cached")
	case b.cmd.Refresh:
		h.Set("Cache-Control", "no-cache")
	case b.cmd.MaxAge > 0:
		h.Set("Cache-Control", "max-age="+strconv.Itoa(int(b.cmd.MaxAge.Seconds())))
	}
	return h
}

// pieces cuts the values to what one request may have.
func (b *lookupBatch) pieces(f func(values []string) error) error {
	for rest := b.values; len(rest) > 0; {
		n := min(batchSize, len(rest))
		if err := f(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// run looks everything up and prints it as it comes, in order.
func (b *lookupBatch) run() error {
	show := newProgress(b.env, len(b.values))
	defer show.clear()
	return b.pieces(func(values []string) error {
		l := b.list(values)
		spentUp := b.broke
		if most := b.cmd.MaxUnits; most != nil {
			left := max(0, *most-b.units)
			l.MaxUnits, spentUp = &left, spentUp || left == 0
		}
		h := b.header(spentUp)
		h.Set("Accept", "application/x-ndjson")
		resp, err := b.way.do(b.env.ctx, request{method: http.MethodPost, path: "/api/v1/lookups", header: h, body: l})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return b.read(resp.Body, spentUp, show)
	})
}

// read takes the answers off a stream, which ends with a line that says so.
func (b *lookupBatch) read(body io.Reader, spentUp bool, show *progress) error {
	waiting, next := map[int]lookupItem{}, 0 // answers come as they are ready
	before := b.units
	for dec := json.NewDecoder(body); ; {
		var line struct {
			lookupItem
			Done bool `json:"done"`
		}
		if err := dec.Decode(&line); err != nil {
			return b.way.unanswered(b.env.ctx, errors.New("the answers were cut off"))
		}
		if line.Done { // its sum knows of everything
			b.units = before + line.Units
			return nil
		}
		b.book(line.lookupItem)
		waiting[line.Index] = line.lookupItem
		for ; ; next++ {
			item, ok := waiting[next]
			if !ok {
				break
			}
			delete(waiting, next)
			if err := b.item(item, spentUp); err != nil {
				return err
			}
		}
		show.at(b.done, line.units())
	}
}

// book counts what one answer cost, as soon as it is here: the rest of the list
// may never come.
func (b *lookupBatch) book(item lookupItem) {
	b.units += item.units()
	if item.Answer != nil {
		b.saved += item.Answer.UnitsSaved
	}
}

// tally is what a list came to. One that was cut off leaves calls under way,
// whose price only the ledger will know.
func (b *lookupBatch) tally(failed error) string {
	text := "%s of %s values: %s units spent, %s saved"
	var refused httpapi.Details
	if failed != nil && !errors.As(failed, &refused) {
		text = "%s of %s values: at least %s units spent, %s saved; calls under way may add to it"
	}
	return fmt.Sprintf(text, grouped(int64(b.done)), grouped(int64(len(b.values))), grouped(b.units), grouped(b.saved))
}

// item prints one answer.
func (b *lookupBatch) item(item lookupItem, spentUp bool) error {
	if spentUp && item.Status == http.StatusGatewayTimeout {
		item.Status = http.StatusTooManyRequests
		item.Problem = &httpapi.Details{Type: "urn:enrichgate:max-units-reached", Title: "not looked up: --max-units is reached"}
	}
	b.done++
	b.broke = b.broke || item.maxUnits()
	b.worst = worse(b.worst, item.code())
	return b.form.item(item)
}

// verdict is the exit code of the whole, what a script wants to branch on. One
// value that got no answer says why.
func (b *lookupBatch) verdict(failed error) error {
	if failed != nil || b.worst == 0 {
		return nil
	}
	return &exitError{code: b.worst}
}

// agree tells the price of a list before it is spent, and lets people decide.
func (b *lookupBatch) agree() error {
	var price httpapi.EstimateAnswer
	price.Affordable = true
	err := b.pieces(func(values []string) error {
		var part httpapi.EstimateAnswer
		err := b.way.call(b.env.ctx, request{method: http.MethodPost, path: "/api/v1/estimate", header: b.header(false), body: b.list(values)}, &part)
		price.Values += part.Values
		price.Lookups += part.Lookups
		price.Cached += part.Cached
		price.Units += part.Units
		price.Affordable = price.Affordable && part.Affordable
		price.Refused = append(price.Refused, part.Refused...)
		price.Sources = part.Sources
		return err
	})
	if err != nil {
		return err
	}
	b.env.say("%s", b.words(price))
	if price.Units == 0 || len(b.values) <= askAbove && !b.cmd.warm || b.cmd.Yes || b.cmd.NoSpend || b.cmd.MaxUnits != nil {
		return nil
	}
	yes, err := b.env.confirm(b.env.ctx, "spend up to "+grouped(price.Units)+" units?")
	if err == nil && !yes {
		err = &exitError{exitUsage, fmt.Errorf("what may cost %s units needs a word: --yes or --max-units N", grouped(price.Units))}
	}
	return err
}

// words tell a price.
func (b *lookupBatch) words(price httpapi.EstimateAnswer) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s values: %s of %s answers are kept", grouped(int64(price.Values)), grouped(int64(price.Cached)), grouped(int64(price.Lookups)))
	if n := len(price.Refused); n > 0 {
		fmt.Fprintf(&s, ", %s will not be looked up", grouped(int64(n)))
	}
	if b.cmd.NoSpend {
		return s.String() + "; nobody is asked."
	}
	fmt.Fprintf(&s, "; the others cost up to %s units", grouped(price.Units))
	for _, src := range price.Sources {
		var left []string
		for _, w := range src.Windows {
			left = append(left, grouped(w.Remaining)+" left this "+strings.ReplaceAll(w.Window, "_", " "))
		}
		if left != nil {
			fmt.Fprintf(&s, "; %s: %s", src.Source, strings.Join(left, ", "))
		}
	}
	if b.cmd.MaxUnits != nil {
		fmt.Fprintf(&s, ". Limit %s", grouped(*b.cmd.MaxUnits))
	}
	if !price.Affordable {
		s.WriteString(". That is more than is left")
	}
	return s.String() + "."
}
