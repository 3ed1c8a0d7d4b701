#include <mysql.h>
#include <errmsg.h>

/// Sends COM_BINLOG_DUMP (or its form with GTIDs) without waiting for an answer. 0 on success.
static inline int swiftwater_mysql_dump(MYSQL *mysql, int command, const unsigned char *argument, size_t count) {
    return mysql->methods->db_command(mysql, (enum enum_server_command)command, (const char *)argument, count, 1, 0);
}

/// Where the packet is that mysql_net_read_packet has read; valid until the next one is read.
static inline const unsigned char *swiftwater_mysql_packet(MYSQL *mysql) { return mysql->net.read_pos; }
