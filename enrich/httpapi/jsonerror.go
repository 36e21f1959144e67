package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

// jsonError says in the reader's words what is wrong with a JSON value: the
// package's own has the names of Go types.
func jsonError(err error) error {
	var mismatch *json.UnmarshalTypeError
	var when *time.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("there is no JSON value")
	case errors.As(err, &mismatch):
		kind, _, _ := strings.Cut(mismatch.Value, " ") // "number -1"
		where := ""
		if mismatch.Field != "" {
			where = mismatch.Field + ": "
		}
		return fmt.Errorf("%sa JSON %s where %s is wanted", where, kind, wanted(mismatch.Type))
	case errors.As(err, &when), strings.HasPrefix(err.Error(), "Time."):
		return errors.New("a time is wanted as a string such as 2026-08-01T00:00:00Z")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// wanted is how JSON calls what a Go type is read from.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	case reflect.Pointer:
		return wanted(t.Elem())
	}
	return "an object"
}
