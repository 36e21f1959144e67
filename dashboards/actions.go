package dashboards

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// act carries out a form. Whoever sends it has the admin's session, its token
// and a reason, or nothing happens.
func (p *Page) act(w http.ResponseWriter, r *http.Request) {
	who := p.visitor(r)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	switch {
	case p.cfg.Admin == nil || who.role != admin:
		http.Error(w, "sign in with the admin token first", http.StatusForbidden)
		return
	case !same(r.PostForm.Get("csrf"), who.csrf):
		http.Error(w, "the form has expired; go back and reload the page", http.StatusForbidden)
		return
	}
	action, err := parseAction(Kind(r.PathValue("kind")), r.PostForm, p.cfg.Shown())
	action.By = who.name
	said := ""
	if err == nil {
		// Carried out once begun: the audit does not depend on the browser's patience.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
		defer cancel()
		said, err = p.cfg.Admin.Do(ctx, action)
	}
	n := notice{Text: said}
	if err != nil {
		n = notice{Text: "Nothing was changed: " + err.Error(), Failed: true}
	}
	p.sessions.tell(who.id, n)
	http.Redirect(w, r, local(r.PostForm.Get("to")), http.StatusSeeOther)
}

// parseAction reads a form. Its errors are for the person who filled it in.
func parseAction(k Kind, form url.Values, now time.Time) (a Action, err error) {
	field := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	if !slices.Contains(Kinds(), k) {
		return a, errors.New("there is no such action")
	}
	a = Action{Kind: k, Source: field("source"), Reason: clip(field("reason"), 200)}
	if a.Reason == "" {
		return a, errors.New("say why; the reason goes into the audit")
	}
	switch k {
	case PauseSource:
		a.Until, err = pauseEnd(field("for"), now)
	case SetLimit, SetFloor, SetUsed:
		a.Window = field("window")
		if k == SetFloor {
			a.Trigger = field("trigger")
		}
		if a.Units, err = strconv.ParseInt(field("units"), 10, 64); err != nil || a.Units < 0 {
			err = fmt.Errorf("%.20q is not a number of units", field("units"))
		}
	case PurgeAnswers, LookUp:
		if a.Value = field("value"); a.Value == "" || len(a.Value) > 2048 {
			err = errors.New("name a value")
		}
	}
	return a, err
}

// pauseEnd reads a length such as "4h"; empty is a pause without an end.
func pauseEnd(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > 366*24*time.Hour {
		return time.Time{}, fmt.Errorf("%.20q is not a length of time such as 30m or 4h", s)
	}
	return now.Add(d), nil
}
