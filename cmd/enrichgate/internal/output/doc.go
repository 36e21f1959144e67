// Package output writes rows the way whoever reads them wants them: a table on
// a terminal, tab-separated lines in a pipe, JSON, JSON Lines or CSV when told
// to, with chosen fields or what a jq expression makes of them.
//
// Data goes to standard output and nothing else does. Rows in JSON Lines, CSV
// and tab-separated form are written as they come.
package output
