package enrich

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// words is the one line that the analyst reads in the work: what was found,
// what was cached, what it cost, what is left, what is missing.
func (g *Gateway) words(r Request, res Result) string {
	s := []string{g.found(r, res), g.price(res)}
	if m := missing(res); m != "" {
		s = append(s, m)
	}
	if n := len(res.Skipped); n > 0 {
		s = append(s, fmt.Sprintf("%s unusable, for one: %s", count(n, "row was", "rows were"), shorten(res.Skipped[0].Error(), 120)))
	}
	return strings.Join(s, ". ")
}

func subject(e Entity) string {
	name := cmp.Or(e.Value, e.Hashes["MD5"], e.ID, "the entity")
	return shorten(name, 80)
}

func (g *Gateway) found(r Request, res Result) string {
	c := res.Counts
	var added []string
	add := func(n int, one, many string) {
		if n > 0 {
			added = append(added, count(n, one, many))
		}
	}
	if c.ScoreSet {
		added = append(added, "a score")
	}
	add(c.Labels, "label", "labels")
	add(c.Things, "related object", "related objects")
	add(c.Hashes, "hash", "hashes")
	add(c.References, "reference", "references")
	add(c.Notes, "note", "notes")
	add(c.Sightings, "sighting", "sightings")
	if c.EPSSSet {
		added = append(added, "an EPSS score")
	}
	answered, unknown := 0, true
	for _, p := range res.Parts {
		if p.Entry != nil {
			answered++
			unknown = unknown && (p.Class == NotFound || p.Class == InvalidInput)
		}
	}
	author := g.source.Author().Name
	switch {
	case len(added) > 0:
		return fmt.Sprintf("%s: %s added %s", subject(r.Entity), author, strings.Join(added, ", "))
	case answered == 0 && slices.ContainsFunc(res.Parts, func(p Part) bool { return errors.Is(p.Err, errUnreadable) }):
		return fmt.Sprintf("%s: %s gave no answer that can be read", subject(r.Entity), author)
	case answered == 0:
		return fmt.Sprintf("%s: %s could not be asked", subject(r.Entity), author)
	case unknown:
		return fmt.Sprintf("%s: %s has no record of it", subject(r.Entity), author)
	default:
		return fmt.Sprintf("%s: %s says nothing new", subject(r.Entity), author)
	}
}

// price: "5 lookups, 4 from cache (4 h old), 1 unit, 812 left until 1 Dec".
func (g *Gateway) price(res Result) string {
	now := g.now()
	cached, stale := 0, 0
	var oldest time.Duration
	for _, p := range res.Parts {
		if !p.Cached() {
			continue
		}
		cached++
		if p.Stale {
			stale++
		}
		oldest = max(oldest, now.Sub(p.Entry.StoredAt))
	}
	s := []string{count(len(res.Parts), "lookup", "lookups")}
	if cached > 0 {
		s = append(s, fmt.Sprintf("%d from cache (%s old)", cached, age(oldest)))
	}
	if stale > 0 {
		s = append(s, fmt.Sprintf("%d of these past their time", stale))
	}
	s = append(s, count(int(res.Units()), "unit", "units"))
	for _, u := range g.ledger.Usage() {
		if u.Source == g.source.Name() && len(u.Windows) > 0 {
			w := slices.MaxFunc(u.Windows, func(a, b quota.WindowUsage) int {
				return cmp.Compare(a.ResetsAt.Sub(a.StartsAt), b.ResetsAt.Sub(b.StartsAt))
			})
			left := fmt.Sprintf("%d left this %s", w.Remaining, w.Window)
			if !w.Rolling {
				left = fmt.Sprintf("%d left until %s", w.Remaining, w.ResetsAt.Format("2 Jan 15:04 MST"))
			}
			s = append(s, left)
		}
	}
	return strings.Join(s, ", ")
}

// missing names the parts without an answer, each reason once.
func missing(res Result) string {
	type gap struct {
		titles []string
		reason string
	}
	var gaps []*gap
	for _, p := range res.Failed() {
		reason := shorten(p.Err.Error(), 200)
		if p.Stale {
			reason = "only an expired answer, because " + reason
		}
		i := slices.IndexFunc(gaps, func(g *gap) bool { return g.reason == reason })
		if i < 0 {
			gaps = append(gaps, &gap{reason: reason})
			i = len(gaps) - 1
		}
		gaps[i].titles = append(gaps[i].titles, p.Lookup.Title)
	}
	if len(gaps) == 0 {
		return ""
	}
	var s []string
	for _, g := range gaps {
		s = append(s, fmt.Sprintf("%s (%s)", strings.Join(g.titles, ", "), g.reason))
	}
	return "Missing: " + strings.Join(s, "; ")
}

// IsRefused says that an error is the ledger's refusal, and when it ends.
func IsRefused(err error) (d quota.Decision, ok bool) {
	var refused *refusedError
	if errors.As(err, &refused) {
		return refused.Decision, true
	}
	return d, false
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// age is a duration for people: "4 h", "3 d".
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	}
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
