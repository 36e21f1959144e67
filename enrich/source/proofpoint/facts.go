package proofpoint

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// reader collects what one answer says.
type reader struct {
	lookup  enrich.Lookup
	since   time.Time // rows last seen before are left out
	facts   stixconv.Facts
	skipped []error
	known   map[thingKey]int // index into facts.Related
	scores  []score
}

// Facts reads the body of a found answer. What it leaves out for its age (see
// Config.SeenWithin) is not skipped: only what it cannot read is.
func (s *Source) Facts(l enrich.Lookup, body []byte, asOf time.Time) (stixconv.Facts, []error) {
	e, ok := s.endpoints[l.Endpoint]
	if !ok {
		return stixconv.Facts{AsOf: asOf}, []error{fmt.Errorf("ET Intelligence has no call %s", enrich.Shown(l.Endpoint))}
	}
	rd := &reader{
		lookup: l,
		since:  s.now().Add(-s.seenWithin).UTC().Truncate(day),
		facts:  stixconv.Facts{AsOf: asOf},
		known:  map[thingKey]int{},
	}
	rows, err := e.rows(body)
	if err != nil {
		return rd.facts, []error{fmt.Errorf("%s: %w", e.name, err)}
	}
	for i, raw := range rows {
		r, err := readRow(raw)
		if err == nil {
			err = rd.read(r)
		}
		if err != nil {
			rd.skipped = append(rd.skipped, fmt.Errorf("%s row %d: %w", e.name, i+1, err))
		}
	}
	rd.summarize()
	if rd.useful() {
		rd.facts.References = []stixconv.Reference{portal(e, l.Value)}
	}
	return rd.facts, rd.skipped
}

// rows are the objects of an answer; one that is an object is its own only row.
func (e endpoint) rows(body []byte) ([]json.RawMessage, error) {
	env, err := readEnvelope(body)
	if err != nil {
		return nil, fmt.Errorf("the answer is %w", err)
	}
	if !env.success || env.empty() {
		return nil, nil
	}
	if !e.list {
		return []json.RawMessage{env.response}, nil
	}
	var rows []json.RawMessage
	err = json.Unmarshal(env.response, &rows)
	if err != nil {
		return nil, fmt.Errorf("the response is not a list")
	}
	return rows, nil
}

// read takes up one row. It returns why it could not, or why it could not
// wholly; what it could read before is kept.
func (rd *reader) read(r row) error {
	switch rd.lookup.Endpoint {
	case ipReputation, domainReputation:
		return rd.readScore(r)
	case ipDomains:
		return rd.readDomain(r)
	case domainIPs:
		return rd.readAddress(r)
	case ipSamples, domainSamples:
		return rd.readSample(r)
	case ipGeoloc:
		return rd.readPlace(r)
	case ipASN:
		return rd.readNetwork(r)
	case sample:
		return rd.readFile(r)
	}
	return fmt.Errorf("nobody reads %s", rd.lookup.Endpoint)
}

// useful is true if there is anything to refer to the portal for.
func (rd *reader) useful() bool {
	f := rd.facts
	return f.Score != nil || len(f.Labels) > 0 || len(f.Related) > 0 || len(f.Hashes) > 0 || f.Size > 0
}

// portal refers to the value in the vendor's web portal. Each useful answer
// about an entity gives the same reference, so that it is there whichever of
// them arrive; converting drops the repetitions.
func portal(e endpoint, value string) stixconv.Reference {
	address := "https://threatintel.proofpoint.com/search?q=" + url.QueryEscape(value)
	if e.name == sample {
		address = "https://threatintel.proofpoint.com/md5/" + url.PathEscape(value)
	}
	return stixconv.Reference{SourceName: "Proofpoint ET Intelligence", URL: address}
}
