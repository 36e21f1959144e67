package source

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

// rule is one line of a classification. It holds when the status is among
// those named, if any are, and the predicate, if there is one, says true.
type rule struct {
	statuses []int
	when     *program
	class    enrich.Class
}

// exchange is an answer as rules see it.
type exchange struct {
	status int
	input  map[string]any // status, headers, body, text
	json   bool
}

// newExchange makes the rules' input of an answer. A body that is not JSON is
// null there, and its beginning is text.
func newExchange(status int, header http.Header, body []byte) *exchange {
	headers := make(map[string]any, len(header))
	for name, values := range header {
		headers[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	x := &exchange{status: status, input: map[string]any{"status": status, "headers": headers, "body": nil, "text": ""}}
	value, err := decodeBody(body)
	if err != nil {
		const beginning = 2048
		x.input["text"] = strings.ToValidUTF8(string(body[:min(len(body), beginning)]), "\uFFFD")
		return x
	}
	switch value.(type) {
	case map[string]any, []any:
		x.json = true
	}
	x.input["body"] = value
	return x
}

// classify takes the first rule that holds. It fails closed: a predicate that
// fails ends the search, and so does one that gives anything but true or false.
func (d *Definition) classify(ctx context.Context, l *lookup, x *exchange, s scope) (enrich.Class, error) {
	for i := range l.rules {
		r := &l.rules[i]
		if len(r.statuses) > 0 && !slices.Contains(r.statuses, x.status) {
			continue
		}
		if r.when != nil {
			v, err := r.when.one(ctx, x.input, s)
			if err != nil {
				return enrich.ServerError, fmt.Errorf("which its rules could not judge (%w)", err)
			}
			holds, isBool := v.(bool)
			if !isBool {
				return enrich.ServerError, fmt.Errorf("which its rules could not judge (a rule said neither true nor false)")
			}
			if !holds {
				continue
			}
		}
		return x.guard(r.class)
	}
	return enrich.ServerError, fmt.Errorf("with what is not an answer of its API")
}

// guard is what holds for every definition: what is kept as an answer is JSON,
// and came under a status under which answers come.
func (x *exchange) guard(class enrich.Class) (enrich.Class, error) {
	if !class.Keep() {
		return class, nil
	}
	if !x.json {
		return enrich.ServerError, fmt.Errorf("with something that is not a JSON answer")
	}
	if x.status < 200 || x.status >= 500 || x.status >= 300 && x.status < 400 {
		return enrich.ServerError, fmt.Errorf("under a status that no answer comes under")
	}
	return class, nil
}

// parseClass reads the class names that rules may give. The two that say that
// no answer came are not theirs to give.
func parseClass(name string) (enrich.Class, bool) {
	for _, c := range enrich.Classes() {
		if c.String() == name && c != enrich.TimedOut && c != enrich.NetworkError {
			return c, true
		}
	}
	return enrich.ServerError, false
}

// says is what the provider said in its own words, for people.
func (d *Definition) says(ctx context.Context, x *exchange, s scope) string {
	if d.message == nil {
		return ""
	}
	v, err := d.message.one(ctx, x.input, s)
	text, _ := v.(string)
	if err != nil || text == "" {
		return ""
	}
	return ": " + text
}
