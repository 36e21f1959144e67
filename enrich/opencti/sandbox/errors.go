package sandbox

import (
	"encoding/json"
	"fmt"
)

// gqlError is a GraphQL error as the platform words it.
type gqlError struct {
	message string
	code    string
	// status and genre fill extensions.data; without a status there is none.
	status int
	genre  string
	// id is what the error is about, for those that tell.
	id string
}

func (e *gqlError) Error() string { return e.code + ": " + e.message }

func invalid(format string, args ...any) *gqlError {
	return &gqlError{message: fmt.Sprintf(format, args...), code: "GRAPHQL_VALIDATION_FAILED"}
}

func parseFailed(format string, args ...any) *gqlError {
	return &gqlError{message: fmt.Sprintf(format, args...), code: "GRAPHQL_PARSE_FAILED"}
}

func badInput(format string, args ...any) *gqlError {
	return &gqlError{message: fmt.Sprintf(format, args...), code: "BAD_USER_INPUT"}
}

func functional(id, format string, args ...any) *gqlError {
	return &gqlError{message: fmt.Sprintf(format, args...), code: "FUNCTIONAL_ERROR", status: 400, genre: "BUSINESS", id: id}
}

func database(err error) *gqlError {
	return &gqlError{message: err.Error(), code: "DATABASE_ERROR", status: 500, genre: "TECHNICAL"}
}

var (
	errAuth      = &gqlError{message: "You must be logged in to do this.", code: "AUTH_REQUIRED", status: 401, genre: "TECHNICAL"}
	errForbidden = &gqlError{message: "You are not allowed to do this.", code: "FORBIDDEN_ACCESS", status: 403, genre: "TECHNICAL"}
	errDraft     = &gqlError{message: "Could not find draft workspace", code: "DRAFT_LOCKED", status: 400, genre: "BUSINESS"}
)

// body is the error as an entry of "errors".
func (e *gqlError) body(path string) map[string]any {
	ext := map[string]any{"code": e.code}
	if e.status != 0 {
		data := map[string]any{"http_status": e.status, "genre": e.genre}
		if e.id != "" {
			data["id"] = e.id
		}
		ext["data"] = data
	}
	m := map[string]any{"message": e.message, "extensions": ext, "name": e.code}
	if path != "" {
		m["path"] = []string{path}
	}
	return m
}

// ErrorBody is the answer that the platform gives when the root field fails with
// that code, such as "LOCK_ERROR". It is meant for Fault.Body.
func ErrorBody(root, code, message string) string {
	e := &gqlError{message: message, code: code, status: 400, genre: "BUSINESS"}
	switch code {
	case errAuth.code:
		e.status, e.genre = errAuth.status, errAuth.genre
	case errForbidden.code:
		e.status, e.genre = errForbidden.status, errForbidden.genre
	case "DATABASE_ERROR":
		e.status, e.genre = 500, "TECHNICAL"
	}
	b, _ := json.Marshal(map[string]any{
		"errors": []any{e.body(root)},
		"data":   map[string]any{root: nil},
	})
	return string(b)
}
