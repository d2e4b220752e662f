/* An S3-shaped server that answers uploads and throws their bytes away: what it measures is its client.
 *
 *     cc -O2 -pthread s3_sink.c -o s3_sink && ./s3_sink [DIRECTORY]
 *     cc -O2 -pthread -DTLS s3_sink.c -o s3_sink -lssl -lcrypto && ./s3_sink CERTIFICATE-AND-KEY.pem [DIRECTORY]
 *
 * Prints its port, then serves until it is killed or its parent is gone. HTTP/1.1 with keep-alive, a thread per
 * connection. Bodies are dropped in the kernel, so that the sink takes little of the processors that it shares
 * with its client. As a real server would, it repeats a checksum that came in a header; it computes none.
 *
 * With a DIRECTORY it answers GET and HEAD, whole or by range: an object that came in one small PUT is kept there;
 * for any other key the file `large` of the directory is what there is.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef TLS
#include <openssl/ssl.h>
static SSL_CTX *tls;
#endif

enum { HEAD_BYTES = 32 << 10, DROP_BYTES = 4 << 20, CHECKSUM_BYTES = 64, KEPT_BYTES = 1 << 20 };

static int directory = -1; /* of what GET answers with */

struct connection {
    int fd;
#ifdef TLS
    SSL *ssl;
    char dropped[64 << 10];
#endif
    size_t have; /* bytes in `head` that are not consumed yet */
    char head[HEAD_BYTES + 1];
};

struct request {
    char method[8];
    char target[4096];
    long long length;
    int expects_continue;
    int chunked;
    int ranged;
    long long first, last; /* of the range, last included; -1 for the end */
    char checksum_name[CHECKSUM_BYTES];
    char checksum[CHECKSUM_BYTES];
};

static atomic_ulong serial;

/* Receive at most `size` bytes; without a buffer they are dropped. */
static ssize_t receive(struct connection *connection, char *buffer, size_t size)
{
#ifdef TLS
    size_t most = buffer ? size : sizeof connection->dropped;
    return SSL_read(connection->ssl, buffer ? buffer : connection->dropped, (int)(size < most ? size : most));
#else
    return recv(connection->fd, buffer, size, buffer ? 0 : MSG_TRUNC);
#endif
}

static int send_all(struct connection *connection, const char *bytes, size_t size)
{
    while (size > 0) {
#ifdef TLS
        ssize_t sent = SSL_write(connection->ssl, bytes, (int)(size < DROP_BYTES ? size : DROP_BYTES));
#else
        ssize_t sent = send(connection->fd, bytes, size, MSG_NOSIGNAL);
#endif
        if (sent <= 0)
            return 0;
        bytes += sent;
        size -= (size_t)sent;
    }
    return 1;
}

/* Send a piece of a file, without touching its bytes where nothing has to be encrypted. */
static int send_file(struct connection *connection, int file, off_t offset, off_t size)
{
#ifdef TLS
    off_t start = offset & ~(off_t)(sysconf(_SC_PAGESIZE) - 1);
    size_t mapped = (size_t)(offset - start + size);
    char *bytes = size ? mmap(NULL, mapped, PROT_READ, MAP_SHARED, file, start) : NULL;
    if (bytes == MAP_FAILED)
        return 0;
    int whole = send_all(connection, bytes + (offset - start), (size_t)size);
    if (bytes)
        munmap(bytes, mapped);
    return whole;
#else
    while (size > 0) {
        ssize_t sent = sendfile(connection->fd, file, &offset, (size_t)size);
        if (sent <= 0)
            return 0;
        size -= sent;
    }
    return 1;
#endif
}

static void read_field(struct request *request, const char *line)
{
    if (!strncasecmp(line, "content-length:", 15))
        request->length = atoll(line + 15);
    else if (!strncasecmp(line, "expect:", 7))
        request->expects_continue = 1;
    else if (!strncasecmp(line, "transfer-encoding:", 18))
        request->chunked = 1;
    else if (!strncasecmp(line, "range:", 6)) {
        request->last = -1;
        request->ranged = sscanf(line + 6, " bytes=%lld-%lld", &request->first, &request->last) >= 1;
    } else if (!strncasecmp(line, "x-amz-checksum-crc64nvme:", 25)) {
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
        ssize_t got = receive(connection, connection->head + connection->have, HEAD_BYTES - connection->have);
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

/* The file of the directory in which a small object of this name is kept. */
static const char *kept_name(const char *target, char name[32])
{
    unsigned long hash = 14695981039346656037UL;
    for (const char *c = target; *c && *c != '?'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211UL;
    snprintf(name, 32, "kept-%016lx", hash);
    return name;
}

static int is_kept(const struct request *request)
{
    return directory >= 0 && !strcmp(request->method, "PUT") && !strchr(request->target, '?') &&
           request->length <= KEPT_BYTES;
}

/* Drop, or keep, the head and the body, of which a beginning may have arrived together. */
static int take_body(struct connection *connection, size_t head, const struct request *request)
{
    char name[32], piece[64 << 10];
    long long length = request->length;
    long long arrived = (long long)(connection->have - head);
    long long taken = arrived < length ? arrived : length;
    size_t rest = connection->have - head - (size_t)taken;
    int file = -1, whole = 1;
    if (is_kept(request)) {
        file = openat(directory, kept_name(request->target, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        whole = write(file, connection->head + head, (size_t)taken) == taken;
    }
    memmove(connection->head, connection->head + head + taken, rest);
    connection->have = rest;
    for (length -= taken; whole && length > 0;) {
        size_t most = file < 0 ? DROP_BYTES : sizeof piece;
        ssize_t got = receive(connection, file < 0 ? NULL : piece, length < (long long)most ? (size_t)length : most);
        whole = got > 0 && (file < 0 || write(file, piece, (size_t)got) == got);
        length -= got;
    }
    if (file >= 0)
        close(file);
    return whole;
}

/* Answer GET and HEAD of an object. */
static int answer_object(struct connection *connection, const struct request *request)
{
    char name[32], head[512], range[96] = "";
    struct stat info;
    int file = openat(directory, kept_name(request->target, name), O_RDONLY);
    if (file < 0)
        file = openat(directory, "large", O_RDONLY);
    if (file < 0 || fstat(file, &info))
        return 0;
    long long end = request->ranged && request->last >= 0 && request->last < info.st_size ? request->last + 1 : info.st_size;
    long long first = request->ranged && request->first < end ? request->first : 0;
    if (request->ranged)
        snprintf(range, sizeof range, "Content-Range: bytes %lld-%lld/%lld\r\n", first, end - 1, (long long)info.st_size);
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 %s\r\nETag: \"0\"\r\nAccept-Ranges: bytes\r\n"
                        "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                        "Content-Type: application/octet-stream\r\n%sContent-Length: %lld\r\n\r\n",
                        request->ranged ? "206 Partial Content" : "200 OK", range, end - first);
    int sent = send_all(connection, head, (size_t)size) &&
               (!strcmp(request->method, "HEAD") || send_file(connection, file, first, end - first));
    close(file);
    return sent;
}

static int answer(struct connection *connection, const struct request *request)
{
    char body[1024] = "", extra[160] = "", head[512];
    const char *status = "200 OK";
    unsigned long number = atomic_fetch_add(&serial, 1) + 1;
    int is_post = !strcmp(request->method, "POST"), is_head = !strcmp(request->method, "HEAD");
    int names_bucket = strcspn(request->target + 1, "/?") == strlen(request->target + 1);

    if (directory >= 0 && !names_bucket && (is_head || !strcmp(request->method, "GET")) && !strchr(request->target, '?'))
        return answer_object(connection, request);
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
    return send_all(connection, all, (size_t)size + strlen(body)) && !request->chunked;
}

static void *serve(void *argument)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct connection *connection = argument;
    struct request request;
    size_t head;
#ifdef TLS
    connection->ssl = SSL_new(tls);
    SSL_set_fd(connection->ssl, connection->fd);
    SSL_set_accept_state(connection->ssl);
#endif
    while ((head = read_head(connection, &request))) {
        if (request.expects_continue && !send_all(connection, go_on, sizeof go_on - 1))
            break;
        if (!take_body(connection, head, &request) || !answer(connection, &request))
            break;
    }
#ifdef TLS
    SSL_free(connection->ssl);
#endif
    close(connection->fd);
    free(connection);
    return NULL;
}

int main(int count, char **arguments)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
#ifdef TLS
    tls = SSL_CTX_new(TLS_server_method());
    if (count < 2 || SSL_CTX_use_certificate_chain_file(tls, arguments[1]) <= 0 ||
        SSL_CTX_use_PrivateKey_file(tls, arguments[1], SSL_FILETYPE_PEM) <= 0) {
        fprintf(stderr, "s3_sink: a file with certificate and key is needed\n");
        return 1;
    }
    count--, arguments++;
#endif
    if (count > 1 && (directory = open(arguments[1], O_RDONLY | O_DIRECTORY)) < 0) {
        perror(arguments[1]);
        return 1;
    }
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
