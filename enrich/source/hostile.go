package source

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// hostileAnswer is one that no provider means as an answer.
type hostileAnswer struct {
	name string
	body []byte
	kind string // Content-Type
}

func (h hostileAnswer) header() http.Header { return http.Header{"Content-Type": {h.kind}} }

// hostileAnswers are what proxies, captive portals, gateways and broken servers
// say under any status, and what the source's own answers are when all in them
// is of the wrong type.
func hostileAnswers(own [][]byte) []hostileAnswer {
	const jsonType = "application/json"
	page := "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>…</form></body></html>"
	all := []hostileAnswer{
		{"a web page", []byte(page), "text/html"},
		{"a web page that is called JSON", []byte(page), jsonType},
		{"an empty body", nil, jsonType},
		{"a JSON that was cut off", []byte(`{"data":{"attributes":{"a":[1,2`), jsonType},
		{"two JSON values", []byte(`{} {}`), jsonType},
		{"XML", []byte(`<?xml version="1.0"?><error/>`), "text/xml"},
		{"a deep JSON", []byte(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), jsonType},
		{"a deep object", []byte(strings.Repeat(`{"data":`, 5000) + "1" + strings.Repeat("}", 5000)), jsonType},
		{"a huge list", []byte("[" + strings.Repeat("0,", maxValues) + "0]"), jsonType},
		{"a long number", []byte(strings.Repeat("9", 10_000)), jsonType},
		{"a long text", []byte(`"` + strings.Repeat("a", 1<<20) + `"`), jsonType},
		{"bytes", []byte("\x00\xff\xfe\x1f\x8b"), "application/octet-stream"},
	}
	for _, text := range []string{
		`null`, `true`, `false`, `0`, `1`, `""`, `"ok"`, `[]`, `{}`, `[null]`, `[[]]`, `[{}]`, `[0]`, `["ok"]`,
		`{"error":null}`, `{"error":"not found"}`, `{"error":"internal error"}`, `{"error":{}}`,
		`{"error":{"code":"SomethingElse","message":"no"}}`, `{"error":{"code":500}}`,
		`{"message":"Not Found"}`, `{"message":"no Route matched with those values"}`, `{"message":"Endpoint request timed out"}`,
		`{"message":null}`, `{"message":"Internal server error"}`, `{"detail":"Not Found"}`, `{"detail":[]}`,
		`{"status":"ok"}`, `{"status":404}`, `{"status":500,"error":"Internal Server Error","path":"/"}`, `{"success":false}`, `{"success":true}`,
		`{"code":404,"message":"HTTP 404 Not Found"}`, `{"errors":[]}`, `{"errors":[{"detail":"unknown"}]}`, `{"response":{}}`, `{"response":[]}`, `{"response":null}`,
		`{"data":null}`, `{"data":[]}`, `{"data":{}}`, `{"data":""}`, `{"data":0}`, `{"data":true}`, `{"data":[null]}`, `{"data":{"attributes":null}}`,
		`{"result":null}`, `{"result":[]}`, `{"result":{}}`, `{"results":null}`, `{"results":{}}`, `{"fault":{"faultstring":"x"}}`,
	} {
		all = append(all, hostileAnswer{"the JSON " + text, []byte(text), jsonType})
	}
	for _, body := range own {
		all = append(all, wrongTypes(body)...)
	}
	return all
}

// wrongTypes are an answer's keys with values that are all of one wrong type.
func wrongTypes(body []byte) (all []hostileAnswer) {
	if cut := len(body) - 3; cut > 0 {
		all = append(all, hostileAnswer{"its own answer, cut off", body[:cut], "application/json"})
	}
	v, err := decodeBody(body)
	fields, ok := v.(map[string]any)
	if err != nil || !ok || len(fields) == 0 {
		return all
	}
	for _, wrong := range []string{`null`, `"wrong"`, `[]`, `{}`, `-1`, `[[]]`, `{"x":1}`} {
		out := make(map[string]json.RawMessage, len(fields))
		for key := range fields {
			out[key] = json.RawMessage(wrong)
		}
		encoded, err := json.Marshal(out)
		if err == nil {
			all = append(all, hostileAnswer{fmt.Sprintf("its own answer with %s everywhere", wrong), encoded, "application/json"})
		}
	}
	return all
}
