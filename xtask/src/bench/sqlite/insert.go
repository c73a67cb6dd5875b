// Command insert measures what k3s asks of SQLite most often: a row put into a table like kine's, in a transaction of
// its own, by the driver that k3s uses. It prints the seconds that all rows took.
//
// Nothing waits for the disk (PRAGMA synchronous), which would be as fast for any compiler.
package main

import (
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

const (
	rows = 2000
	// Of about the size that a pod has in the API server's encoding.
	valueSize = 2000
)

// The columns and indexes of kine's pkg/drivers/sqlite.
var schema = []string{
	`CREATE TABLE kine (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		name TEXT,
		created INTEGER,
		deleted INTEGER,
		create_revision INTEGER,
		prev_revision INTEGER,
		lease INTEGER,
		value BLOB,
		old_value BLOB
	)`,
	`CREATE INDEX kine_name_index ON kine (name)`,
	`CREATE INDEX kine_name_id_index ON kine (name, id)`,
	`CREATE INDEX kine_id_deleted_index ON kine (id, deleted)`,
	`CREATE INDEX kine_prev_revision_index ON kine (prev_revision)`,
	`CREATE UNIQUE INDEX kine_name_prev_revision_uindex ON kine (name, prev_revision)`,
}

const insert = `INSERT INTO kine (name, created, deleted, create_revision, prev_revision, lease, value, old_value)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?)`

func main() {
	folder, err := os.MkdirTemp("", "insert-")
	if err != nil {
		log.Fatal(err)
	}
	seconds, err := measure(filepath.Join(folder, "state.db"))
	if removal := os.RemoveAll(folder); err == nil {
		err = removal
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.6f\n", seconds)
}

func measure(file string) (float64, error) {
	db, err := sql.Open("sqlite3", file+"?_journal=WAL&_synchronous=OFF&cache=shared&_txlock=immediate")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	for _, statement := range schema {
		if _, err := db.Exec(statement); err != nil {
			return 0, err
		}
	}
	value := []byte(strings.Repeat("k3s ", valueSize/4))
	begin := time.Now()
	for row := range rows {
		// A hundred objects, changed again and again.
		name := fmt.Sprintf("/registry/pods/default/pod-%d", row%100)
		if _, err := db.Exec(insert, name, row < 100, 0, row%100, row, 0, value, value); err != nil {
			return 0, err
		}
	}
	return time.Since(begin).Seconds(), nil
}
