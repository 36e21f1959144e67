package boltfile

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Protect puts a checksum over key and value before the value.
func Protect(key, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(value)), checksum(key, value)), value...)
}

// Unprotect checks and takes off what Protect put on. The value aliases record.
func Unprotect(key, record []byte) ([]byte, error) {
	if len(record) < 4 {
		return nil, errors.New("record is cut short")
	}
	value := record[4:]
	if checksum(key, value) != binary.BigEndian.Uint32(record) {
		return nil, errors.New("record is damaged (checksum)")
	}
	return value, nil
}

func checksum(key, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // computed once by the library
	return crc32.Update(crc32.Checksum(key, table), table, value)
}
