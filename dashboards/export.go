package dashboards

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The exports stream: a long log is never held in memory. What goes wrong after
// the first line can only be seen by the end missing, so the connection is cut.

func (p *Page) exportCSV(w http.ResponseWriter, r *http.Request, _ visitor) {
	filter, problem := filterOf(r)
	if problem != "" {
		http.Error(w, problem, http.StatusBadRequest)
		return
	}
	attach(w, "text/csv; charset=utf-8", "ledger.csv")
	out := csv.NewWriter(w)
	err := out.Write([]string{"seq", "time", "kind", "ref", "source", "endpoint", "subject", "units", "trigger", "client", "playbook", "work", "status", "by", "reason"})
	if err == nil {
		err = p.cfg.Books.Entries(r.Context(), filter, func(e Entry) error {
			return out.Write([]string{
				strconv.FormatUint(e.Seq, 10), e.Time.UTC().Format(time.RFC3339Nano), cell(e.Kind), number(int64(e.Ref)), cell(e.Source), cell(e.Endpoint), cell(e.Subject),
				strconv.FormatInt(e.Units, 10), cell(e.Trigger), cell(e.Client), cell(e.Playbook), cell(e.Work), number(int64(e.Status)), cell(e.By), cell(e.Reason),
			})
		})
	}
	out.Flush()
	p.ended(r, err, out.Error())
}

func (p *Page) exportJSONL(w http.ResponseWriter, r *http.Request, _ visitor) {
	filter, problem := filterOf(r)
	if problem != "" {
		http.Error(w, problem, http.StatusBadRequest)
		return
	}
	attach(w, "application/jsonl", "ledger.jsonl")
	out := json.NewEncoder(w)
	p.ended(r, p.cfg.Books.Entries(r.Context(), filter, func(e Entry) error { return out.Encode(e) }))
}

// ended cuts the connection of an export that broke off.
func (p *Page) ended(r *http.Request, errs ...error) {
	for _, err := range errs {
		if err == nil {
			continue
		}
		if r.Context().Err() == nil {
			p.cfg.Log.Error("an export of the ledger broke off", "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}

func attach(w http.ResponseWriter, contentType, name string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

// cell keeps a spreadsheet from taking text for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// number is empty for none.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
