package httpapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

const (
	// mostValues of one request.
	mostValues = 1000
	// longestLine of a list in NDJSON, in bytes.
	longestLine = 16 << 10
)

// batch is the body of POST /api/v1/lookups and /api/v1/estimate.
type batch struct {
	Source string `json:"source,omitempty"`
	// Values are strings, or objects with value, type and tlp.
	Values []question `json:"values"`
	// TLP of values that do not say their own.
	TLP string `json:"tlp,omitempty"`
	// MaxUnits bounds what the whole request may spend: nothing at zero; nil means
	// no bound of its own. No value is begun that might exceed it.
	MaxUnits *int64 `json:"max_units,omitempty"`
	// Bundles says that answers carry their STIX bundle; absent means true.
	Bundles *bool `json:"bundles,omitempty"`
}

// UnmarshalJSON takes a bare string for a value.
func (q *question) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &q.Value)
	}
	if len(b) == 0 || b[0] != '{' {
		return errors.New("a value is a string, or an object with value, type and tlp")
	}
	type plain question // without this method
	return strict(b, (*plain)(q))
}

// strict decodes one JSON value and nothing else; unknown fields are errors.
func strict(b []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return jsonError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end of the JSON value")
	}
	return nil
}

// readBatch reads the body in either form: one JSON object, or NDJSON with one
// value a line and the other fields of the object in the query.
func readBatch(r *http.Request, body []byte) (batch, error) {
	var b batch
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		mediaType = "application/json"
	}
	switch mediaType {
	case "application/json":
		if r.URL.RawQuery != "" { // to pass over a max_units or a tlp would spend or tell too much
			return b, bad("the query is for a body of lines; put what it says into the JSON body")
		}
		if err := strict(body, &b); err != nil {
			return b, bad("the body: %v", err)
		}
	case "application/x-ndjson":
		if err := b.readQuery(r.URL.Query()); err != nil {
			return b, err
		}
		if b.Values, err = readLines(body); err != nil {
			return b, err
		}
	default:
		return b, bad("a body of the type %.80q; use application/json or application/x-ndjson", mediaType)
	}
	if len(b.Values) == 0 || len(b.Values) > mostValues {
		return b, bad("%d values; a request has between 1 and %d", len(b.Values), mostValues)
	}
	if b.MaxUnits != nil && *b.MaxUnits < 0 {
		return b, bad("max_units is below zero")
	}
	if err := knownTLP(b.TLP); err != nil {
		return b, err
	}
	for i := range b.Values {
		if b.Values[i].TLP == "" {
			b.Values[i].TLP = b.TLP
		}
	}
	return b, nil
}

// readQuery takes what a list of lines has no room for.
func (b *batch) readQuery(q url.Values) error {
	b.Source, b.TLP = q.Get("source"), q.Get("tlp")
	if q.Has("max_units") {
		n, err := strconv.ParseInt(q.Get("max_units"), 10, 64)
		if err != nil {
			return bad("max_units: %.80q is not a whole number", q.Get("max_units"))
		}
		b.MaxUnits = &n
	}
	if q.Has("bundles") {
		with := q.Get("bundles") == "true"
		if !with && q.Get("bundles") != "false" {
			return bad("bundles: %.80q is neither true nor false", q.Get("bundles"))
		}
		b.Bundles = &with
	}
	return nil
}

// readLines reads NDJSON: a string or an object a line; empty lines are none.
func readLines(body []byte) ([]question, error) {
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, longestLine)
	var all []question
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if len(all) == mostValues {
			return nil, bad("more than %d values", mostValues)
		}
		var q question
		if err := strict(line, &q); err != nil {
			return nil, bad("line %d: %v", n, err)
		}
		all = append(all, q)
	}
	if lines.Err() != nil {
		return nil, bad("line %d is longer than %d bytes", n+1, longestLine)
	}
	return all, nil
}

// readBody reads a request's body; http.MaxBytesReader bounds it.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	const mostBytes = 1 << 20
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBytes))
	var large *http.MaxBytesError
	if err != nil && !errors.As(err, &large) {
		return nil, bad("the body could not be read")
	}
	return body, err
}

// bad is an input error in one line.
func bad(format string, args ...any) error {
	return &enrich.InputError{Reason: strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")}
}
