package httpapi

import (
	_ "embed" // for the document
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// openAPI is the document that describes /api/v1, in OpenAPI 3.1.
//
//go:embed openapi.json
var openAPI []byte

// openapi serves it, to whoever asks: it holds nothing but what stands in the
// repository.
func (a *API) openapi(w http.ResponseWriter, _ *http.Request, _ caller) {
	w.Header().Set("Content-Type", "application/openapi+json")
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(openAPI) // the client may be gone
}

// parameters are the names that the document has for the query of each operation.
func parameters() map[string][]string {
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name, In string }
		}
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		panic(fmt.Sprintf("openapi.json, which is part of this program, cannot be read: %v", err))
	}
	all := map[string][]string{}
	for _, path := range doc.Paths {
		for _, op := range path {
			for _, p := range op.Parameters {
				if p.In == "query" {
					all[op.OperationID] = append(all[op.OperationID], p.Name)
				}
			}
		}
	}
	return all
}

// knownQuery refuses a query that an operation would pass over in part: what was
// meant to narrow an answer, or a purge, must not widen it by a slip.
func knownQuery(query string, known []string) error {
	q, err := url.ParseQuery(query)
	if err != nil {
		return bad("the query: %v", err)
	}
	for name, values := range q {
		if slices.Contains(known, name) {
			if len(values) > 1 { // which of them counts?
				return bad("%s is given more than once", name)
			}
			continue
		}
		if len(known) == 0 {
			return bad("%.40q: this operation has no parameters", name)
		}
		return bad("%.40q is not a parameter here; there are %s", name, strings.Join(known, ", "))
	}
	return nil
}
