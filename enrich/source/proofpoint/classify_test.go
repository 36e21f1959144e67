package proofpoint

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
)

// classify judges as Fetch does, without the network.
func classify(e endpoint, value string, status int, body []byte) enrich.Class {
	class, _, final := classifyStatus(status)
	if !final {
		class, _ = classifyBody(e, value, status, body)
	}
	return class
}

func TestClassifyFixtures(t *testing.T) {
	for _, c := range fixtureCases(t) {
		e, value := c.split(t)
		want := c.Class
		if c.File == "ip_urls_found.json" {
			want = "server_error" // bare strings: no endpoint that is asked has those
		}
		got := classNames[classify(e, value, c.Status, fixture(t, c.File))]
		if got != want {
			t.Errorf("%s: %s, want %s", c.File, got, want)
		}
	}
}

// An answer that belongs to another endpoint or another value is nobody's.
func TestClassifyMixedUp(t *testing.T) {
	all := endpoints(0, 0)
	for _, c := range []struct {
		endpoint, value, file string
		want                  enrich.Class
	}{
		{ipReputation, "192.0.2.10", "ip_domains_found.json", enrich.ServerError},
		{ipReputation, "192.0.2.10", "ip_asn_found.json", enrich.ServerError},
		{ipASN, "192.0.2.10", "ip_geoloc_found.json", enrich.ServerError},
		{ipASN, "192.0.2.10", "sample_found.json", enrich.ServerError},
		{ipDomains, "192.0.2.10", "domain_ips_found.json", enrich.ServerError},
		{ipGeoloc, "192.0.2.10", "ip_geoloc_found.json", enrich.Found},
		{ipGeoloc, "192.0.2.99", "ip_geoloc_found.json", enrich.ServerError},
		{sample, testMD5, "sample_found.json", enrich.Found},
		{sample, strings.Repeat("f", 32), "sample_found.json", enrich.ServerError},
		{sample, testMD5, "ip_samples_found.json", enrich.ServerError},
	} {
		got := classify(all[c.endpoint], c.value, 200, fixture(t, c.file))
		if got != c.want {
			t.Errorf("%s of %s answered with %s: %s, want %s", c.endpoint, c.value, c.file, classNames[got], classNames[c.want])
		}
	}
}

func TestClassifyBodies(t *testing.T) {
	all := endpoints(0, 0)
	for _, c := range []struct {
		endpoint string
		status   int
		body     string
		want     enrich.Class
	}{
		// Nothing known, in all the ways to say so.
		{ipDomains, 200, `{"success":true,"response":[]}`, enrich.NotFound},
		{ipDomains, 200, `{"success":true,"response":{}}`, enrich.NotFound},
		{ipDomains, 200, ` {"response" : null, "success" : true} `, enrich.NotFound},
		{sample, 200, `{"success":true,"response":[]}`, enrich.NotFound},
		{sample, 404, `{"success":false,"message":"Not found","response":{}}`, enrich.NotFound},
		{sample, 404, `{"success":true,"response":[]}`, enrich.NotFound},
		{sample, 404, "", enrich.NotFound},
		{sample, 404, "Not Found\n", enrich.NotFound},
		{sample, 404, "{}", enrich.NotFound},
		// A 404 that is not the API's.
		{sample, 404, "<html><body>Not found</body></html>", enrich.ServerError},
		{sample, 404, "404 page not found\n", enrich.NotFound},
		{sample, 404, "<html>404</html>", enrich.ServerError},
		{sample, 404, `{"error":"no such host"}`, enrich.NotFound},
		{sample, 404, `{"success":true,"response":{"md5sum":"` + testMD5 + `"}}`, enrich.ServerError},
		{sample, 404, `{"success":true}`, enrich.ServerError},
		// Failures under 200.
		{sample, 200, `{"success":false,"message":"Rate limit exceeded","response":{}}`, enrich.RateLimited},
		{sample, 404, `{"success":false,"message":"rate limit exceeded"}`, enrich.RateLimited},
		{sample, 200, `{"success":false,"message":"Internal error","response":[]}`, enrich.ServerError},
		{sample, 200, `{"success":false}`, enrich.ServerError},
		// One good row is enough; none is not.
		{ipDomains, 200, `{"success":true,"response":[7,null,{"domain":null}]}`, enrich.Found},
		{ipDomains, 200, `{"success":true,"response":[{"":"x"},{"domain":"a.example"}]}`, enrich.Found},
		{ipDomains, 200, `{"success":true,"response":[7,null,[],"x",{"host":"a.example"}]}`, enrich.ServerError},
		{ipDomains, 200, `{"success":true,"response":{"a.example":{"first_seen":"2013-01-01"}}}`, enrich.ServerError},
		{ipASN, 200, `{"success":true,"response":{"asn":null}}`, enrich.Found},
		{ipASN, 200, `{"success":true,"response":[{"asn":64500}]}`, enrich.ServerError},
		{ipGeoloc, 200, `{"success":true,"response":[{"country_code":"US"}]}`, enrich.Found},
		{ipGeoloc, 200, `{"success":true,"response":[{"country_code":"US","ip":"::ffff:192.0.2.10"}]}`, enrich.Found},
		{sample, 200, `{"success":true,"response":{"md5sum":"` + strings.ToUpper(testMD5) + `"}}`, enrich.Found},
	} {
		value := "192.0.2.10"
		if c.endpoint == sample {
			value = testMD5
		}
		got := classify(all[c.endpoint], value, c.status, []byte(c.body))
		if got != c.want {
			t.Errorf("%s %d %s: %s, want %s", c.endpoint, c.status, c.body, classNames[got], classNames[c.want])
		}
	}
}

// hostile are bodies that must never be kept, whatever the status, but for the
// few that a 404 may have.
func hostile() map[string]string {
	return map[string]string{
		"html":               "<!DOCTYPE html><html><body>Please log in</body></html>",
		"text":               "OK",
		"null":               "null",
		"true":               "true",
		"number":             "200",
		"string":             `"success"`,
		"empty":              "",
		"bare list":          `[{"category":"CnC","score":1}]`,
		"object":             `{"status":"ok"}`,
		"no response":        `{"success":true}`,
		"no success":         `{"response":[]}`,
		"success null":       `{"success":null,"response":[]}`,
		"success string":     `{"success":"true","response":[]}`,
		"success number":     `{"success":1,"response":[]}`,
		"other case":         `{"Success":true,"Response":[]}`,
		"response string":    `{"success":true,"response":"none"}`,
		"response number":    `{"success":true,"response":0}`,
		"response bool":      `{"success":true,"response":false}`,
		"list of nothing":    `{"success":true,"response":[null]}`,
		"list of strings":    `{"success":true,"response":["CnC"]}`,
		"list of lists":      `{"success":true,"response":[[]]}`,
		"other fields":       `{"success":true,"response":[{"x":1}]}`,
		"other object":       `{"success":true,"response":{"x":1}}`,
		"truncated":          `{"success":true,"response":[{"category":"CnC","sco`,
		"truncated early":    `{"success":true,"response":[]`,
		"trailing":           `{"success":true,"response":[]} <!-- served by proxy -->`,
		"two":                `{"success":true,"response":[]}{"success":true,"response":[]}`,
		"byte order mark":    "\xef\xbb\xbf" + `{"success":true,"response":[]}`,
		"utf-16":             "\xff\xfe{\x00}\x00",
		"deep list":          `{"success":true,"response":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
		"deep object":        strings.Repeat(`{"success":`, 20000) + "true" + strings.Repeat("}", 20000),
		"within the bounds":  `{"success":true,"response":[` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `]}`,
		"long":               `{"success":true,"response":"` + strings.Repeat("a", 1<<20) + `"}`,
		"comment":            `/**/{"success":true,"response":[]}`,
		"JSONP":              `cb({"success":true,"response":[]})`,
		"NUL":                "{\"success\":true,\"response\":[]}\x00",
		"html with envelope": `<pre>{"success":true,"response":[]}</pre>`,
	}
}

func TestClassifyHostile(t *testing.T) {
	statuses := []int{0, 200, 201, 202, 203, 204, 206, 301, 302, 304, 307, 400, 401, 402, 403, 404, 405, 407, 408, 410, 418, 422, 429, 451, 500, 502, 503, 504, 511, 520, 599, 999}
	// What a 404 may say and still mean "no record": it has no fixed body.
	fine404 := map[string]bool{"empty": true, "text": true, "object": true, "other case": true}
	tried := 0
	for name, body := range hostile() {
		for _, status := range statuses {
			for _, e := range endpoints(0, 0) {
				tried++
				class := classify(e, "192.0.2.10", status, []byte(body))
				kept := class == enrich.Found || class == enrich.NotFound || class == enrich.Partial || class == enrich.InvalidInput
				if justified := status == 404 && fine404[name]; kept != justified {
					t.Errorf("%s under %d for %s: %s", name, status, e.name, classNames[class])
				}
			}
		}
	}
	t.Logf("%d answers tried", tried)
}

// Good envelopes are believed under 200 (and, empty, 404) and nowhere else.
func TestClassifyStatus(t *testing.T) {
	for status, want := range map[int]enrich.Class{
		200: enrich.Found, 201: enrich.ServerError, 204: enrich.ServerError, 206: enrich.ServerError,
		302: enrich.ServerError, 400: enrich.ServerError, 401: enrich.AuthFailed, 402: enrich.Forbidden,
		403: enrich.AuthFailed, 404: enrich.ServerError, 407: enrich.ServerError, 408: enrich.ServerError,
		429: enrich.RateLimited, 500: enrich.ServerError, 503: enrich.ServerError, 504: enrich.ServerError,
	} {
		got := classify(endpoints(0, 0)[ipReputation], "192.0.2.10", status, fixture(t, "ip_reputation_found.json"))
		if got != want {
			t.Errorf("%d: %s, want %s", status, classNames[got], classNames[want])
		}
	}
}

func FuzzClassify(f *testing.F) {
	names := []string{ipReputation, ipDomains, ipSamples, ipGeoloc, ipASN, domainReputation, domainIPs, domainSamples, sample}
	for _, c := range fixtureCases(f) {
		for i := range names {
			f.Add(c.Status, fixture(f, c.File), i)
		}
	}
	for _, body := range hostile() {
		if len(body) < 1000 {
			f.Add(http.StatusOK, []byte(body), 0)
			f.Add(http.StatusNotFound, []byte(body), 8)
		}
	}
	all := endpoints(0, 0)
	f.Fuzz(func(t *testing.T, status int, body []byte, which int) {
		e := all[names[uint(which)%uint(len(names))]]
		value := "192.0.2.10"
		if e.name == sample {
			value = testMD5
		}
		class := classify(e, value, status, body)
		if problem := unjustified(class, e, status, body); problem != "" {
			t.Errorf("%s %d %q: %s, though %s", e.name, status, body, classNames[class], problem)
		}
	})
}

// unjustified says why an answer may not be kept, in other words than the code
// under test: by decoding it into plain Go values.
func unjustified(class enrich.Class, e endpoint, status int, body []byte) string {
	if class != enrich.Found && class != enrich.NotFound {
		return ""
	}
	if short := strings.TrimSpace(string(body)); class == enrich.NotFound && status == 404 && len(short) <= 256 {
		switch {
		case strings.HasPrefix(short, "<"):
			return "it is a web page"
		case strings.HasPrefix(short, "{"), strings.HasPrefix(short, "["):
			var v any
			if err := json.Unmarshal([]byte(short), &v); err != nil {
				return err.Error()
			}
		}
		return ""
	}
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		return err.Error()
	}
	success, ok := v["success"].(bool)
	if !ok {
		return "success is no bool"
	}
	if class == enrich.NotFound && status == 404 && !success {
		return ""
	}
	response, ok := v["response"]
	if !ok || !success || status != 200 && (class == enrich.Found || status != 404) {
		return fmt.Sprintf("success is %v and response is there: %v", success, ok)
	}
	n := 0
	switch response := response.(type) {
	case nil:
	case []any:
		n = len(response)
		if n > 0 && !e.list {
			return "it is a list"
		}
	case map[string]any:
		n = len(response)
		if n > 0 && e.list {
			return "it is an object"
		}
	default:
		return "the response is a bare value"
	}
	if (n > 0) != (class == enrich.Found) {
		return fmt.Sprintf("it has %d entries", n)
	}
	return ""
}
