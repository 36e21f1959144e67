package quota

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// ExportJSONL writes the entries that the filter wants as JSON Lines.
func (l *Ledger) ExportJSONL(w io.Writer, f Filter) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	return errors.Join(l.Entries(f, func(e Entry) error { return enc.Encode(e) }), b.Flush())
}

// csvColumns are named as the fields of an Entry in JSON.
var csvColumns = []string{
	"seq", "time", "kind", "ref", "account", "endpoint", "bucket", "subject", "trigger", "client", "playbook", "playbook_name", "person", "work",
	"units", "status", "outcome", "window", "used", "limit", "drift", "until", "by", "reason",
}

// ExportCSV writes the entries that the filter wants as CSV (RFC 4180) with a
// header. A cell that a spreadsheet would take for a formula gets a ' in front.
func (l *Ledger) ExportCSV(w io.Writer, f Filter) error {
	c := csv.NewWriter(w)
	if err := c.Write(csvColumns); err != nil {
		return err
	}
	err := l.Entries(f, func(e Entry) error { return c.Write(csvRow(&e)) })
	c.Flush()
	return errors.Join(err, c.Error())
}

func csvRow(e *Entry) []string {
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	used, until := "", ""
	if e.Used != nil {
		used = strconv.FormatInt(*e.Used, 10)
	}
	if e.Until != nil {
		until = e.Until.UTC().Format(time.RFC3339)
	}
	return []string{
		strconv.FormatUint(e.Seq, 10), e.Time.UTC().Format(time.RFC3339Nano), e.Kind, number(int64(e.Ref)), safeCell(e.Account),
		safeCell(e.Endpoint), e.Bucket, safeCell(e.Subject), e.Trigger, safeCell(e.Client), safeCell(e.Playbook), safeCell(e.PlaybookName),
		safeCell(e.Person), safeCell(e.Work), strconv.FormatInt(e.Units, 10), number(int64(e.Status)), e.Outcome, e.Window, used,
		number(e.Limit), number(e.Drift), until, safeCell(e.By), safeCell(e.Reason),
	}
}

// safeCell keeps a stranger's text from being run as a formula.
func safeCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}
