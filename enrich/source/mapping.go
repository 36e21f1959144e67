package source

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// maxIntents bounds what one answer may say; the largest bundles that OpenCTI
// is given hold fewer objects.
const maxIntents = 5000

// collector makes facts of intents.
type collector struct {
	facts   stixconv.Facts
	skipped []error
}

func compareText(a, b string) int { return cmp.Compare(a, b) }

// intents runs the mapping of a lookup on a body and gives what it yields, lists
// taken apart, and why parts of it yielded nothing.
func (d *Definition) intents(l *lookup, body []byte, s scope) (all []any, lost []error) {
	value, err := decodeBody(body)
	if err != nil {
		return nil, []error{fmt.Errorf("the answer is %w", err)}
	}
	yields, err := l.mapping.run(context.Background(), value, s)
	if err != nil {
		lost = append(lost, err)
	}
	for _, y := range yields {
		list, ok := y.([]any)
		if !ok {
			list = []any{y}
		}
		for _, v := range list {
			reason, is := unusable(v)
			switch {
			case is:
				lost = append(lost, reason)
			case len(all) > maxIntents: // one more than are taken, so that it is said
				return all, lost
			case v != nil || ok:
				all = append(all, v)
			}
		}
	}
	return all, lost
}

// collect makes facts of intents. One that cannot be used costs itself only.
func collect(intents []any, asOf time.Time) (stixconv.Facts, []error) {
	c := &collector{facts: stixconv.Facts{AsOf: asOf}}
	for i, v := range intents {
		if i == maxIntents {
			c.skipped = append(c.skipped, fmt.Errorf("more than %d intents: the others are left out", maxIntents))
			break
		}
		in, err := newIntent(v)
		if err != nil {
			c.skipped = append(c.skipped, fmt.Errorf("intent %d %w", i+1, err))
			continue
		}
		op := in.text("op")
		if !c.take(op, in) {
			c.skipped = append(c.skipped, fmt.Errorf("intent %d: no op is called %s", i+1, enrich.Shown(op)))
			continue
		}
		for _, err := range in.done() {
			c.skipped = append(c.skipped, fmt.Errorf("intent %d (%s): %w", i+1, op, err))
		}
	}
	return c.facts, c.skipped
}

// take reads one intent into the facts. A new op needs: a case here, a row in
// README.md, and a mapping in a test.
func (c *collector) take(op string, in *intent) bool {
	f := &c.facts
	switch op {
	case "score":
		if score := in.score("value"); score != nil && (f.Score == nil || *score > *f.Score) {
			f.Score = score
		}
	case "label":
		if label := in.text("value"); label != "" {
			f.Labels = append(f.Labels, label)
		}
	case "ref":
		f.References = append(f.References, stixconv.Reference{
			SourceName: in.text("source_name"), URL: in.text("url"), ExternalID: in.text("external_id"), Description: in.text("description"),
		})
	case "note":
		f.Notes = append(f.Notes, stixconv.Note{Abstract: in.text("abstract"), Content: in.text("content")})
	case "patch":
		c.patch(in)
	case "object":
		f.Objects = append(f.Objects, stixconv.Keyed{Key: in.text("key"), Thing: thing(in)})
	case "indicator":
		c.indicator(in)
	case "relation":
		f.Relations = append(f.Relations, stixconv.Relation{
			From: in.text("from"), Type: in.text("type"), To: in.text("to"), Start: in.time("start"),
		})
	case "sighting":
		f.Sightings = append(f.Sightings, stixconv.Sighting{
			Of: in.text("of"), Where: in.text("where"), Count: in.whole("count"), First: in.time("first_seen"), Last: in.time("last_seen"),
		})
	default:
		return false
	}
	return true
}

// patch completes the entity itself.
func (c *collector) patch(in *intent) {
	for algorithm, hash := range in.hashes("hashes") {
		if c.facts.Hashes == nil {
			c.facts.Hashes = map[string]string{}
		}
		c.facts.Hashes[algorithm] = hash
	}
	if size := in.whole("size"); size > 0 {
		c.facts.Size = size
	}
	score, hasScore := in.number("epss_score")
	percentile, hasPercentile := in.number("epss_percentile")
	if hasScore && hasPercentile {
		c.facts.EPSS = &stixconv.EPSS{Score: score, Percentile: percentile}
	}
}

// indicator is an object and what it is based on.
func (c *collector) indicator(in *intent) {
	t := stixconv.Thing{
		Type: "indicator", Of: cmp.Or(in.text("of"), stixconv.EntityKey), Name: in.text("name"), Description: in.text("description"),
		Score: in.score("score"), Labels: in.texts("labels"), Kinds: in.texts("types"), ValidFrom: in.time("valid_from"), ValidUntil: in.time("valid_until"),
	}
	if seconds, ok := in.number("valid_for"); ok && t.ValidUntil.IsZero() {
		from := t.ValidFrom
		if from.IsZero() {
			from = c.facts.AsOf
		}
		t.ValidUntil = from.Add(time.Duration(min(seconds, 1e9)) * time.Second)
	}
	key := cmp.Or(in.text("key"), "indicator")
	c.facts.Objects = append(c.facts.Objects, stixconv.Keyed{Key: key, Thing: t})
	c.facts.Relations = append(c.facts.Relations, stixconv.Relation{From: key, Type: "based-on", To: t.Of})
}

// thing reads the fields that objects have; stixconv.Thing says which count for
// which type.
func thing(in *intent) stixconv.Thing {
	t := stixconv.Thing{
		Type: in.text("type"), Value: in.text("value"), Name: in.text("name"), Description: in.text("description"),
		Labels: in.texts("labels"), Score: in.score("score"), Aliases: in.texts("aliases"), Kinds: in.texts("types"),
		Hashes: in.hashes("hashes"), Number: in.system("number"), CountryCode: in.text("code"), Family: in.flag("family"),
		Size: in.whole("size"), RIR: in.text("rir"), Vendor: in.text("vendor"), Version: in.text("version"), CPE: in.text("cpe"),
		Serial: in.text("serial"), Issuer: in.text("issuer"), Subject: in.text("subject"), MITRE: in.text("mitre"),
		NotBefore: in.time("not_before"), NotAfter: in.time("not_after"),
	}
	latitude, hasLatitude := in.number("latitude")
	longitude, hasLongitude := in.number("longitude")
	if hasLatitude && hasLongitude {
		t.HasPosition, t.Latitude, t.Longitude = true, latitude, longitude
	}
	return t
}
