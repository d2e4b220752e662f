/* An S3-shaped server that answers uploads and throws their bytes away: what it measures is its client.
 *
 *     cc -O2 -pthread s3_sink.c -o s3_sink && ./s3_sink
 *
 * Prints its port, then serves until it is killed or its parent is gone. HTTP/1.1 with keep-alive, a thread per
 * connection. Bodies are dropped in the kernel, so that the sink takes little of the processors that it shares
 * with its client. As a real server would, it repeats a checksum that came in a header; it computes none.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 32 << 10, DROP_BYTES = 4 << 20, CHECKSUM_BYTES = 64 };

struct connection {
    int fd;
    size_t have; /* bytes in `head` that are not consumed yet */
    char head[HEAD_BYTES + 1];
};

struct request {
    char method[8];
    char target[4096];
    long long length;
    int expects_continue;
    int chunked;
    char checksum_name[CHECKSUM_BYTES];
    char checksum[CHECKSUM_BYTES];
};

static atomic_ulong serial;

static int send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return 0;
        bytes += sent;
        size -= (size_t)sent;
    }
    return 1;
}

static void read_field(struct request *request, const char *line)
{
    if (!strncasecmp(line, "content-length:", 15))
        request->length = atoll(line + 15);
    else if (!strncasecmp(line, "expect:", 7))
        request->expects_continue = 1;
    else if (!strncasecmp(line, "transfer-encoding:", 18))
        request->chunked = 1;
    else if (!strncasecmp(line, "x-amz-checksum-crc64nvme:", 25)) {
        strcpy(request->checksum_name, "x-amz-checksum-crc64nvme");
        sscanf(line + 25, " %63s", request->checksum);
    }
}

/* Read one request's head. Returns its size in bytes, or 0 at the end of the connection. */
static size_t read_head(struct connection *connection, struct request *request)
{
    char *end;
    connection->head[connection->have] = 0;
    while (!(end = strstr(connection->head, "\r\n\r\n"))) {
        if (connection->have == HEAD_BYTES)
            return 0;
        ssize_t got = recv(connection->fd, connection->head + connection->have, HEAD_BYTES - connection->have, 0);
        if (got <= 0)
            return 0;
        connection->have += (size_t)got;
        connection->head[connection->have] = 0;
    }
    memset(request, 0, sizeof *request);
    if (sscanf(connection->head, "%7s %4095s", request->method, request->target) != 2)
        return 0;
    for (char *line = strstr(connection->head, "\r\n") + 2; line < end; line = strstr(line, "\r\n") + 2)
        read_field(request, line);
    return (size_t)(end + 4 - connection->head);
}

/* Drop the head and the body, of which a beginning may have arrived together. */
static int drop_body(struct connection *connection, size_t head, long long length)
{
    long long arrived = (long long)(connection->have - head);
    long long taken = arrived < length ? arrived : length;
    size_t rest = connection->have - head - (size_t)taken;
    memmove(connection->head, connection->head + head + taken, rest);
    connection->have = rest;
    for (length -= taken; length > 0;) {
        ssize_t got = recv(connection->fd, NULL, length < DROP_BYTES ? (size_t)length : DROP_BYTES, MSG_TRUNC);
        if (got <= 0)
            return 0;
        length -= got;
    }
    return 1;
}

static int answer(int fd, const struct request *request)
{
    char body[1024] = "", extra[160] = "", head[512];
    const char *status = "200 OK";
    unsigned long number = atomic_fetch_add(&serial, 1) + 1;
    int is_post = !strcmp(request->method, "POST"), is_head = !strcmp(request->method, "HEAD");
    int names_bucket = strcspn(request->target + 1, "/?") == strlen(request->target + 1);

    if (request->chunked)
        status = "501 Not Implemented";
    else if (!strcmp(request->method, "DELETE"))
        status = "204 No Content";
    else if (is_post && strstr(request->target, "uploadId="))
        snprintf(body, sizeof body,
                 "<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><ETag>&quot;%032lx-1&quot;</ETag>"
                 "%s%s%s</CompleteMultipartUploadResult>",
                 number, *request->checksum ? "<ChecksumCRC64NVME>" : "", request->checksum,
                 *request->checksum ? "</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>" : "");
    else if (is_post)
        snprintf(body, sizeof body,
                 "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>upload-%lu</UploadId>"
                 "</InitiateMultipartUploadResult>",
                 number);
    else if (strcmp(request->method, "PUT") && !(is_head && names_bucket))
        status = "404 Not Found";
    if (*request->checksum && !is_post)
        snprintf(extra, sizeof extra, "%s: %s\r\n", request->checksum_name, request->checksum);
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 %s\r\nETag: \"%032lx\"\r\nx-amz-bucket-region: us-east-1\r\n"
                        "Content-Type: application/xml\r\n%sContent-Length: %zu\r\n\r\n",
                        status, number, extra, strlen(body));
    char all[sizeof head + sizeof body];
    memcpy(all, head, (size_t)size);
    memcpy(all + size, body, strlen(body));
    return send_all(fd, all, (size_t)size + strlen(body)) && !request->chunked;
}

static void *serve(void *argument)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct connection *connection = argument;
    struct request request;
    size_t head;
    while ((head = read_head(connection, &request))) {
        if (request.expects_continue && !send_all(connection->fd, go_on, sizeof go_on - 1))
            break;
        if (!drop_body(connection, head, request.length) || !answer(connection->fd, &request))
            break;
    }
    close(connection->fd);
    free(connection);
    return NULL;
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 512) ||
        getsockname(listener, (struct sockaddr *)&address, &length)) {
        perror("s3_sink");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct connection *connection = calloc(1, sizeof *connection);
        pthread_t thread;
        if (!connection)
            return 1;
        connection->fd = accept(listener, NULL, NULL);
        if (connection->fd < 0) {
            free(connection);
            continue;
        }
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (pthread_create(&thread, NULL, serve, connection))
            return 1;
        pthread_detach(thread);
    }
}
