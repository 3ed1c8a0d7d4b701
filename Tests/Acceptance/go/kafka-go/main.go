// Writes a message by segmentio's kafka-go: MAIN HOST:PORT TOPIC.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
)

func main() {
	connection, err := kafka.DialLeader(context.Background(), "tcp", os.Args[1], os.Args[2], 0)
	if err == nil {
		connection.SetDeadline(time.Now().Add(30 * time.Second))
		_, err = connection.WriteMessages(kafka.Message{Value: []byte("x")})
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
