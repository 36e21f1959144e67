// Package clients keeps who may use the gateway over HTTP: for each client a
// token, the sources that it may ask, its budget at each, the strictest marking
// that it may ask about, and an end.
//
// A token is 256 random bits behind "egc_", so that a secret scanner knows it.
// It is shown once, when it is made; what is kept is its SHA-256. That needs no
// slow hash: there is nothing to guess.
//
// The file is JSON, written whole beside the old one, synced and renamed: a
// crash leaves the old or the new. It has one owner, the holder of the data
// directory. When a client was last seen is written with the next change and at
// Close; a crash forgets it.
package clients
