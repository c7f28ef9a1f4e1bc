#define _XOPEN_SOURCE 700
#include <mailmote/posix.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static mote_status_t rewind_file(void *self)
{
    mote_posix_source_t *source = self;

    source->offset = 0;
    return MOTE_OK;
}

static mote_status_t next_of_file(void *self, mote_span_t *piece)
{
    mote_posix_source_t *source = self;
    ssize_t count;

    if (source->offset == source->size) {
        return MOTE_CLOSED;
    }
    do {
        count = pread(source->fd, source->piece, sizeof source->piece, (off_t)source->offset);
    } while (count < 0 && errno == EINTR);
    if (count <= 0) {
        return MOTE_ERR_SOURCE; /* unreadable, or shorter than it was: never a shortened mail */
    }
    if (count > source->size - source->offset) {
        count = (ssize_t)(source->size - source->offset); /* it grew meanwhile: the mail is what it was */
    }
    source->offset += count;
    *piece = mote_span(source->piece, (size_t)count);
    return MOTE_OK;
}

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, bytes, size);

        if (count < 0 && errno != EINTR) {
            return false;
        }
        if (count > 0) {
            bytes += count;
            size -= (size_t)count;
        }
    }
    return true;
}

/* A file without a name, gone with its descriptor. */
static int open_unnamed(void)
{
    const char *folder = getenv("TMPDIR");
    char path[256];
    mote_writer_t out = mote_writer((uint8_t *)path, sizeof path - 1);
    int fd;

    mote_write_text(&out, folder != NULL && folder[0] == '/' ? folder : "/tmp");
    mote_write_text(&out, "/mailmote.XXXXXX");
    if (mote_writer_overflowed(&out)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    path[out.size] = '\0';
    fd = mkstemp(path);
    if (fd >= 0) {
        (void)unlink(path);
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

/* What can be read only once is kept in a file. */
static bool keep(mote_posix_source_t *source, int fd)
{
    int copy = open_unnamed();

    if (copy < 0) {
        return false;
    }
    for (;;) {
        ssize_t count = read(fd, source->piece, sizeof source->piece);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 || !write_all(copy, source->piece, (size_t)count)) {
            int error = errno;

            close(copy);
            errno = error;
            return false;
        }
        if (count == 0) {
            break;
        }
        source->size += count;
    }
    source->fd = copy;
    source->owns_fd = true;
    return true;
}

mote_status_t mote_posix_source_open(mote_posix_source_t *source, int fd)
{
    struct stat info;

    memset(source, 0, sizeof *source);
    source->fd = fd;
    source->source.rewind = rewind_file;
    source->source.next = next_of_file;
    source->source.self = source;
    source->source.wire_size = MOTE_SIZE_UNKNOWN;
    source->source.has_lf_lines = true;
    if (fstat(fd, &info) != 0) {
        return MOTE_ERR_SOURCE;
    }
    if (S_ISREG(info.st_mode) && lseek(fd, 0, SEEK_CUR) == 0) {
        source->size = info.st_size;
        source->source.is_canonical = MOTE_NO; /* others may write to it between two readings */
        return MOTE_OK;
    }
    return keep(source, fd) ? MOTE_OK : MOTE_ERR_SOURCE;
}

void mote_posix_source_close(mote_posix_source_t *source)
{
    if (source->owns_fd) {
        close(source->fd);
        source->owns_fd = false;
    }
}

mote_status_t mote_posix_map(mote_memory_source_t *memory, int fd)
{
    struct stat info;
    void *bytes = NULL;
    size_t size;

    mote_memory_source_init(memory, mote_span(NULL, 0));
    memory->source.has_lf_lines = true;
    memory->source.is_canonical = MOTE_NO; /* others may write to the file between two readings */
    memory->source.is_stable = true;
    if (fstat(fd, &info) != 0) {
        return MOTE_ERR_SOURCE;
    }
    if (!S_ISREG(info.st_mode)) {
        errno = EINVAL;
        return MOTE_ERR_SOURCE;
    }
    size = (size_t)info.st_size;
    if (size > 0) { /* nothing cannot be mapped */
        bytes = (off_t)size == info.st_size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
        if (bytes == MAP_FAILED) {
            return MOTE_ERR_SOURCE;
        }
    }
    memory->message = mote_span(bytes, size);
    return MOTE_OK;
}

void mote_posix_unmap(mote_memory_source_t *memory)
{
    if (memory->message.size > 0) {
        (void)munmap((void *)memory->message.data, memory->message.size);
        memory->message = mote_span(NULL, 0);
    }
}
