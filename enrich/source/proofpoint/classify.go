package proofpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

// classifyStatus judges by the status alone. It is final for all but 200 and
// 404, where the body decides.
//
// 403 stands for "no access to this" as well as "subscription elapsed", and
// nobody says what a wrong key gets, so that 401 and 403 are one class.
func classifyStatus(status int) (class enrich.Class, why string, final bool) {
	why = fmt.Sprintf("ET Intelligence answered %d", status)
	switch status {
	case http.StatusOK, http.StatusNotFound:
		return enrich.ServerError, why, false
	case http.StatusUnauthorized, http.StatusForbidden:
		return enrich.AuthFailed, why, true
	case http.StatusPaymentRequired:
		return enrich.Forbidden, why, true
	case http.StatusTooManyRequests:
		return enrich.RateLimited, why, true
	}
	return enrich.ServerError, why, true
}

// classifyBody judges an answer of status 200 or 404. Whatever it does not
// recognize is ServerError, so that it is neither believed nor kept.
func classifyBody(e endpoint, value string, status int, body []byte) (enrich.Class, string) {
	why := fmt.Sprintf("ET Intelligence answered %d ", status)
	env, err := readEnvelope(body)
	if err == nil && !env.success && strings.Contains(strings.ToLower(env.message), "rate limit") {
		return enrich.RateLimited, why + "with a failure" + message(body)
	}
	if status == http.StatusNotFound {
		if saysNotFound(env, err, body) {
			return enrich.NotFound, ""
		}
		return enrich.ServerError, why + "with a page that is not the API's"
	}
	if err != nil {
		return enrich.ServerError, why + "with " + err.Error()
	}
	if !env.success {
		return enrich.ServerError, why + "with a failure" + message(body)
	}
	if env.empty() {
		return enrich.NotFound, ""
	}
	err = e.recognize(env.response, value)
	if err != nil {
		return enrich.ServerError, why + "with " + err.Error()
	}
	return enrich.Found, ""
}

// saysNotFound tells a 404 that means "no record" from a page that something on
// the way made up: a web page, or the API's envelope with data in it.
func saysNotFound(env envelope, err error, body []byte) bool {
	if err == nil {
		return !env.success || env.empty()
	}
	const short = 256 // a sentence, not a page
	text := bytes.TrimSpace(body)
	var object map[string]json.RawMessage
	switch {
	case len(text) > short:
		return false
	case json.Unmarshal(text, &object) == nil && object != nil:
		_, success := object["success"]
		_, response := object["response"]
		return !success && !response // else it is nearly the API, and not readable as such
	case json.Valid(text):
		return string(text) == "[]" || strings.EqualFold(string(text), `"not found"`)
	default:
		return !bytes.ContainsAny(text, "<{[()")
	}
}

// recognize refuses a response that is not this endpoint's or not about value.
// Of a list it wants one good row; the bad ones are left to Facts.
func (e endpoint) recognize(response json.RawMessage, value string) error {
	rows := []json.RawMessage{response}
	if e.list {
		err := json.Unmarshal(response, &rows)
		if err != nil {
			return fmt.Errorf("an object where %s has a list", e.name)
		}
	}
	own := false
	for _, raw := range rows {
		r, err := readRow(raw)
		if err != nil {
			continue
		}
		own = own || r.has(e.key)
		if e.echo == "" {
			if own {
				return nil
			}
			continue
		}
		if echo, err := r.text(e.echo); err == nil && !sameValue(echo, value) {
			return fmt.Errorf("what is known of %s instead", enrich.Shown(echo))
		}
	}
	if !own {
		return fmt.Errorf("nothing that looks like an answer of %s", e.name)
	}
	return nil
}

// sameValue compares a value that came back with the normalized one that was
// asked for.
func sameValue(echo, value string) bool {
	if strings.EqualFold(strings.TrimSpace(echo), value) {
		return true
	}
	a, errA := netip.ParseAddr(strings.TrimSpace(echo))
	b, errB := netip.ParseAddr(value)
	return errA == nil && errB == nil && a.Unmap() == b.Unmap()
}
