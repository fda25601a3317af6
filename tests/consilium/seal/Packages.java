import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.MessageDigest;
import java.security.Security;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tsp.TimeStampToken;

/**
 * java Packages.java FOLDER SECONDS: BouncyCastle's word on the signatures and timestamps of an unpacked package.
 *
 * A line of input is a question, a line of output its answer: "held", or what was not.
 *   signature FILE CONTENT   detached CMS over a file, and its certificate's path with revocation at SECONDS
 *   token FILE FILE2         timestamp over the signature value in FILE2 (a .sig) or over all of it
 */
public class Packages {
    static final String BC = "BC";
    static Path folder;
    static Date moment;
    static Set<TrustAnchor> anchors = new HashSet<>();
    static List<Object> evidence = new ArrayList<>();
    static List<X509CertificateHolder> certificates = new ArrayList<>();

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        folder = Paths.get(arguments[0]);
        moment = new Date(Long.parseLong(arguments[1]) * 1000);
        gather();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            System.out.println(answer(line.split(" ")));
        }
    }

    static void gather() throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", BC);
        for (Path file : files("evidence/certs")) {
            try (InputStream stream = Files.newInputStream(file)) {
                for (Object found : factory.generateCertificates(stream)) {
                    X509Certificate one = (X509Certificate) found;
                    evidence.add(one);
                    certificates.add(new X509CertificateHolder(one.getEncoded()));
                    if (one.getSubjectX500Principal().equals(one.getIssuerX500Principal())) {
                        anchors.add(new TrustAnchor(one, null));
                    }
                }
            }
        }
        for (Path file : files("evidence/crl")) {
            try (InputStream stream = Files.newInputStream(file)) {
                evidence.addAll(factory.generateCRLs(stream));
            }
        }
    }

    static List<Path> files(String name) throws IOException {
        try (Stream<Path> found = Files.list(folder.resolve(name))) {
            return found.sorted().collect(Collectors.toList());
        }
    }

    static String answer(String[] asked) {
        try {
            return asked[0].equals("token") ? token(asked[1], asked[2]) : signature(asked[1], asked[2]);
        } catch (Exception error) {
            return error.getClass().getSimpleName() + " " + String.valueOf(error.getMessage()).replace('\n', ' ');
        }
    }

    static String signature(String name, String content) throws Exception {
        CMSSignedData data = new CMSSignedData(new CMSProcessableByteArray(read(content)), read(name));
        SignerInformation signer = data.getSignerInfos().getSigners().iterator().next();
        X509CertificateHolder holder =
                (X509CertificateHolder) data.getCertificates().getMatches(signer.getSID()).iterator().next();
        if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider(BC).build(holder))) {
            return "signature";
        }
        return path(holder);
    }

    static String token(String name, String covered) throws Exception {
        TimeStampToken token = new TimeStampToken(new CMSSignedData(read(name)));
        X509CertificateHolder holder = null;
        for (X509CertificateHolder one : certificates) {
            if (token.getSID().match(one)) {
                holder = one;
            }
        }
        token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider(BC).build(holder));
        byte[] stamped = covered.endsWith(".sig") ? value(read(covered)) : read(covered);
        String algorithm = token.getTimeStampInfo().getMessageImprintAlgOID().getId();
        byte[] imprint = MessageDigest.getInstance(algorithm, BC).digest(stamped);
        if (!Arrays.equals(imprint, token.getTimeStampInfo().getMessageImprintDigest())) {
            return "imprint";
        }
        return path(holder);
    }

    static byte[] value(byte[] signature) throws Exception {
        return new CMSSignedData(signature).getSignerInfos().getSigners().iterator().next().getSignature();
    }

    static String path(X509CertificateHolder holder) throws Exception {
        X509CertSelector end = new X509CertSelector();
        end.setCertificate(new JcaX509CertificateConverter().setProvider(BC).getCertificate(holder));
        PKIXBuilderParameters asked = new PKIXBuilderParameters(anchors, end);
        asked.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(evidence), BC));
        asked.setDate(moment);
        asked.setRevocationEnabled(true);
        CertPathBuilder.getInstance("PKIX", BC).build(asked);
        return "held";
    }

    static byte[] read(String name) throws IOException {
        return Files.readAllBytes(folder.resolve(name));
    }
}
