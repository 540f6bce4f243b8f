// Binds functions that glibc 2.34 moved from libpthread to their first versions, which every
// glibc has: otherwise a wheel built on a new system would refuse older ones.
#ifndef SB_OLD_SYMBOLS_H
#define SB_OLD_SYMBOLS_H

#if defined(__x86_64__) && defined(__GLIBC__)
#define SB_OLD(name) __asm__(".symver " #name "," #name "@GLIBC_2.2.5")
SB_OLD(pthread_create);
SB_OLD(pthread_attr_setdetachstate);
SB_OLD(pthread_getspecific);
SB_OLD(pthread_key_create);
SB_OLD(pthread_mutex_trylock);
SB_OLD(pthread_once);
SB_OLD(pthread_setspecific);
SB_OLD(pthread_rwlock_init);
SB_OLD(pthread_rwlock_rdlock);
SB_OLD(pthread_rwlock_wrlock);
SB_OLD(pthread_rwlock_unlock);
SB_OLD(pthread_rwlockattr_init);
SB_OLD(pthread_rwlockattr_destroy);
SB_OLD(pthread_rwlockattr_setkind_np);
#endif

#endif
