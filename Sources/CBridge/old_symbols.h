// Binds functions that glibc 2.34 moved from libpthread to their first versions, which every
// glibc has: otherwise a wheel built on a new system would refuse older ones.
#ifndef SB_OLD_SYMBOLS_H
#define SB_OLD_SYMBOLS_H

#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))
#if defined(__x86_64__)
#define SB_FIRST "2.2.5"
#else
#define SB_FIRST "2.17"
#endif
#define SB_OLD(name) __asm__(".symver " #name "," #name "@GLIBC_" SB_FIRST)
SB_OLD(pthread_create);
SB_OLD(pthread_attr_setdetachstate);
SB_OLD(pthread_getspecific);
SB_OLD(pthread_key_create);
SB_OLD(pthread_mutex_trylock);
SB_OLD(pthread_sigmask);
SB_OLD(pthread_once);
SB_OLD(pthread_setspecific);
#endif

#endif
